"""Servers on loopback that speak S3 and Google Cloud Storage, for tests of storages.

It uses the emulators and ``processes``, and knows no storage of Lading. Installed by ``lading[testing-clouds]``.
Begin with ``processes``.
"""
