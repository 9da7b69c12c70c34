"""Cases that suites of several kinds share: imports without side effects, and ``ping``.

It may use ``suite``, ``cancellation`` and ``judging``. ``child`` is the process that imports a plugin.
Begin with ``ImportCases`` and ``PingCases``.
"""
