"""The built-in processors: what is done with images between detection and storage.

They know the contracts, the errors and the options, and no other plugin. Begin with ``metadata``.
"""
