"""Limits of issuers and organisations: request rates and stored bytes.

It may use ``documents`` and ``models``. Begin with ``rates`` or ``quotas``.
"""
