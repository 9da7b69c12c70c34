"""The HTTP handlers, one module a resource.

They translate requests into calls of ``imports``, ``images`` and ``webhooks``, and results into responses.
Begin with ``imports``; every handler extends ``BaseHandler`` of ``lading.service.api.http.base``.
"""
