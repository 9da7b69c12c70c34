"""The parts of HTTP that several handlers share: heads, bodies, streams, CORS.

They know requests and responses, and no resource.
Begin with ``headers``, ``request_body`` and ``response_body``.
"""
