"""Connections below the requests: accepting them, and answers that no handler gives.

They know sockets, and neither routes nor resources.
Begin with ``long_heads``, whose server ``lading.service.api.app`` makes.
"""
