"""The description of the API, as OpenAPI 3.1, made from the code that routes and validates requests.

It may use the rules of ``imports``, ``webhooks`` and ``errors``; it reads no request.
Begin with ``operations/``, which declares every operation; ``schemas`` has the bodies, ``document`` puts all together.
"""
