"""Asks a running clamd about each image, and refuses malware.

It knows the contract of processors and the standard library's sockets. Begin with ``processor``; ``clamd`` speaks the
protocol.
"""
