"""The commands that run Lading: the service, and a worker by itself.

They may use every room below ``cli``.
Begin with ``serve``, the commands; ``running`` has what runs a process until a signal stops it.
"""
