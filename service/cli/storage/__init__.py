"""``lading storage``: copy, mirror and audit stored images while services run.

It uses ``storages`` and the document store.
Begin with ``command``.
"""
