"""The built-in processor ``clamav``: refuses images in which a running clamd finds malware.

``processor`` decides, ``clamd`` speaks the protocol.
"""
