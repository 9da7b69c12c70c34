"""Serves bytes over HTTP by RFC 9110, without knowledge of their source or of the HTTP server.

It uses the standard library alone.
Begin with ``preconditions`` (does the client have these bytes?), then ``ranges``; ``multipart`` joins several ranges.
"""
