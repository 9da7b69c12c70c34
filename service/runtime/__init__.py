"""Processes: the composition root, the server, the supervisor, the checks.

It may use every room but ``cli``, and it alone constructs stores, plugins and handlers.
Begin with ``wiring``; ``serving`` and ``supervisor`` run what it builds.
"""
