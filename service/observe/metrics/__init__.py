"""Metrics: what is counted and timed, where the numbers live, and how Prometheus reads them.

It may use ``documents``, ``models`` and the records of plugins. Only ``exposition`` knows Prometheus' library. Measured
code calls a ``meter.Meter`` and knows nothing else of this room.
Begin with ``families``, the list of all metrics. ``recorder`` writes them into the memory of ``ledger``.
"""
