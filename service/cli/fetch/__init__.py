"""``lading fetch``: whether a URL may be fetched, and which rule decides.

It uses the configured fetchers.
Begin with ``command``.
"""
