"""Stored images: read them back, delete them, purge their bytes.

It may use ``storages`` and every room below. ``content/`` has the ranges and conditions of RFC 9110.
Begin with ``operations``; ``purger`` completes deletions.
"""
