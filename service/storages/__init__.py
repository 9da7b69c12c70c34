"""Several storages at once: where images are saved, mirrored, moved and audited.

It may use ``documents`` and the contracts of plugins. Spools live here too: the bytes on their way to a storage.
Begin with ``routes``; ``mirror`` and ``backfill`` keep second copies, ``migration`` moves images.
"""
