"""Where images are kept: one room for each storage backend, and the guard around all of them.

It may use ``lading.plugins``, and imports nothing of ``lading.service``.
Begin with ``guard``, then ``local``; ``cloud`` has what ``s3`` and ``gcs`` share. ``memory`` is the smallest backend.
"""
