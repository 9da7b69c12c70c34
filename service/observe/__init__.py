"""What operators see: logs, traces of attempts, outages, readiness.

It may use ``errors``, ``documents`` and ``models``.
Begin with ``logs``.
"""
