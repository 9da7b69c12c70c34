"""Thumbnails: small copies of images, made by a detector when somebody first asks, and kept in a bounded cache on disk.

The room may use ``operations`` of images, and what these use.
Begin with ``thumbnails``: whose right is asked, what is made when, and how many wait. ``cache`` is the folder,
``negotiation`` the choice of the media type.
"""
