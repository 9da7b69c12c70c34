"""Keys of issuers, and the secrets in imports.

Only this room imports PyJWT and cryptography. Begin with ``keys`` or ``vault``.
"""
