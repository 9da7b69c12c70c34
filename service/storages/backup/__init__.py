"""Backups: a folder with a copy of the database, a manifest of the images, and the images if the operator wants them.

It may use ``sweep``, ``copies``, ``sharing`` and ``documents``.
Begin with ``archive``, the format of the folder; ``taking`` fills it, ``restoring`` reads it. ``folders`` makes what
is whole visible.
"""
