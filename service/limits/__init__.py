"""What an issuer and an organisation may use: request rates, stored bytes.

It may use ``documents`` and ``models``.
Begin with ``rates`` or ``quotas``.
"""
