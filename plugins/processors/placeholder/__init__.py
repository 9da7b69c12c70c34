"""Adds what a page shows before the image: its dominant colour, and a ThumbHash.

It knows the contract of processors, and has the processes of the detector ``pillow`` decode. Begin with ``processor``.
"""
