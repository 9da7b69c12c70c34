"""Thumbnails: small copies of images, made in the process that decodes.

The room may use ``decode`` and what that uses. Begin with ``making``, which opens the image and judges what the work
costs; ``rendering`` turns its pixels into the thumbnail.
"""
