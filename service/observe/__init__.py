"""What operators see: logs, metrics, traces of attempts, telemetry, outages, readiness.

It may use ``config``, ``errors``, ``documents`` and ``models``.
Begin with ``logs``.
"""
