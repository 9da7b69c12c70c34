"""The suite of fetchers that speak HTTP.

It uses the suite of all fetchers, and runs the kit's own origin.
Begin with ``suite`` and ``support``.
"""
