"""The guard of storages: keys, streams and results, checked around every backend alike.

It knows the storage contract and no storage, and uses ``lading.plugins.host.calls`` for each call.
Begin with ``storage``.
"""
