"""Keys of issuers, and what an import holds that is secret.

Only this room imports PyJWT and cryptography.
Begin with ``keys`` or ``vault``.
"""
