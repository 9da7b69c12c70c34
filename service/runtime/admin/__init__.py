"""The admin listener of a process: its sockets, the metrics, and the parts that it tells of.

It uses ``api.admin`` and ``observe``. Only ``measuring`` needs Prometheus' library, and is imported with the listener.
Begin with ``listener``.
"""
