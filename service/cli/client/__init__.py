"""``lading import``, ``imports``, ``images`` and ``login``: what people do with a service that runs anywhere.

These commands use ``lading.client`` alone: no configuration, no documents. Begin with ``send.command``.
"""
