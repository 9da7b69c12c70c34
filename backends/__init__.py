"""Where images are kept: one room for each storage backend, and the guard around all of them.

It may use ``lading.plugins``, and imports nothing of ``lading.service``.
Begin with ``guard``, then ``local``; ``s3`` and ``gcs`` share ``cloud``. ``memory`` is the smallest backend.
"""
