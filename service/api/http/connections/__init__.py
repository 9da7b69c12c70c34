"""Connections below the requests: accepting them, and answers that no handler gives.

They know sockets, and neither routes nor resources.
Begin with ``server``, which ``lading.service.api.app`` makes.
"""
