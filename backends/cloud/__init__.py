"""The common part of the storages in clouds: names of objects, bodies of requests, saves in parts.

It knows the storage contract and no cloud. Begin with ``storage``, which asks a ``bucket`` for each exchange.
"""
