"""The suite of storages.

It knows the contract of storages.
Begin with ``suite`` and ``support``.
"""
