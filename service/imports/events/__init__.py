"""Server-sent events: how imports change, for every listener of a process.

It may use the document store, which its feeds read; the handlers of ``api`` send the events.
Begin with ``stream``.
"""
