"""Limits of issuers and organisations: request rates and stored bytes.

It may use ``observe``, ``documents`` and ``models``. Begin with ``rates``, whose buckets ``lending`` keeps for all
processes and ``borrowing`` uses in one; or with ``quotas``.
"""
