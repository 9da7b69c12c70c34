"""The HTTP handlers, one module a resource.

They translate requests into calls of ``imports``, ``images`` and ``webhooks``, and results into responses.
Begin with ``base``, which every handler extends.
"""
