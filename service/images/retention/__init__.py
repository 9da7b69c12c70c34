"""Retention: removes imports that are older than ``[retention]`` says, as a client's DELETE would.

It may use the rooms that ``images`` may use.
Begin with ``policy``; ``removing`` does the work, ``survey`` says what it would do.
"""
