"""The suite of fetchers that speak HTTP.

It runs the kit's own origin.
Begin with ``suite`` and ``support``.
"""
