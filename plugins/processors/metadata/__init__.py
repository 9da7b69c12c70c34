"""Removes metadata from images without decoding them: their pixels, orientation and colour profile stay.

It knows the contract of processors. Each format has a module that says which parts of a file stay, as ``pieces``
describes them; ``exif`` edits the one block that all formats share. Begin with ``processor``.
"""
