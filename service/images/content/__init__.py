"""Serving bytes over HTTP as RFC 9110 has it, without knowing where they come from or which server sends them.

It uses the standard library alone.
Begin with ``preconditions`` (does the client have these bytes?), then ``ranges``; ``multipart`` joins several ranges.
"""
