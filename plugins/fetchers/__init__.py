"""The built-in fetchers. The registry loads them by their entry points, as it loads those of third parties.

They may use the contracts, ``host`` and ``net``; no other room imports them.
Begin with ``data``, which is short, then ``http``.
"""
