"""``lading plugins``: list, explain, check and create plugins.

It uses the registry and the test kit.
Begin with ``command``.
"""
