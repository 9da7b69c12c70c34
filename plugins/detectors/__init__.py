"""The built-in type detectors. The registry loads them by their entry points, as it loads those of third parties.

They may use the contracts, ``host`` and ``net``; no other room imports them.
Begin with ``pillow``.
"""
