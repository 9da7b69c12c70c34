"""The suite of fetchers.

It knows the contract of fetchers.
Begin with ``suite`` and ``support``; ``http/`` adds cases for HTTP.
"""
