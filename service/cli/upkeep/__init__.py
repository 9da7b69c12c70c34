"""``lading backup``, ``lading restore`` and ``lading migrate``: for whoever keeps the database for years.

They use ``storages.backup`` and the document store.
Begin with ``backup``.
"""
