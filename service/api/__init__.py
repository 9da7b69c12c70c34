"""HTTP and nothing else: routes, handlers, parameters, tokens and the OpenAPI description.

It may use ``imports`` and every room below. Tornado stays in this room and in ``runtime``.
Begin with ``app``, the route table.
"""
