"""The care around every storage: deadlines, concurrency, key checks, names on errors.

It knows the storage contract and no storage.
Begin with ``storage``.
"""
