"""Server-sent events: how imports change, for every listener of a process.

Feeds read the document store; the handlers of ``api`` send the events.
Begin with ``stream``.
"""
