"""What the service puts around each plugin: registry, guards, deadlines, tracing, child processes.

Authors need nothing of it; it uses the contracts alone.
Begin with ``registry``; ``guards`` and ``care`` stand around each call.
"""
