"""The built-in fetcher of http and https URLs.

Only this room imports aiohttp.
Begin with ``fetcher``, then ``client``.
"""
