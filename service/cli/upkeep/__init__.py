"""``lading backup``, ``restore``, ``migrate``, ``documents`` and ``retention``: for who keeps the database.

They use ``storages.backup`` and the document store.
Begin with ``backup``.
"""
