"""HEIC for Lading: a detector, and a processor that makes JPEG of it.

Begin with ``detector`` and ``processor``. ``children`` runs a process for each file, and ``work`` is its program.
"""
