"""What a plugin is: contracts, errors, options and the registry.

The only package that a third-party author imports. It imports neither ``service`` nor ``backends``.
"""
