"""``lading backup``, ``restore``, ``migrate`` and ``retention``: for whoever keeps the database for years.

They use ``storages.backup`` and the document store.
Begin with ``backup``.
"""
