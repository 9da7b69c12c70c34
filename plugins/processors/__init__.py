"""The built-in processors: what is done with images between detection and storage.

They know the contracts, the errors and the options. ``placeholder`` has the processes of the detector ``pillow``
decode. Begin with ``metadata``.
"""
