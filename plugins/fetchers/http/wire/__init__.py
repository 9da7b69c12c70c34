"""The wire of the ``http`` fetcher: connections, heads, bodies, and how each of them fails.

It may use aiohttp, the options and the clock of its parent, and nothing else of that.
Begin with ``gate``, through which every byte of an origin comes, then ``body``.
"""
