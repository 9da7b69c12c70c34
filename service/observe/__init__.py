"""What operators see: logs, metrics, traces of attempts, outages, readiness.

It may use ``errors``, ``documents`` and ``models``.
Begin with ``logs``.
"""
