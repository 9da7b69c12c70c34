"""Servers on loopback that speak S3 and Google Cloud Storage, for tests of storages.

Installed by ``lading[testing-clouds]``.
Begin with ``processes``.
"""
