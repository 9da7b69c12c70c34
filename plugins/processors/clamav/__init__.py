"""Asks a running clamd about each image, and refuses malware.

It uses the contract of processors, the host's wait for threads, and the standard library's sockets.
Begin with ``processor``; ``clamd`` speaks the protocol.
"""
