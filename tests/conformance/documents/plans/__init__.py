"""Records the statements that the stores send, for ``lading documents plan``, and holds the packaged record to them.

``python -m tests.conformance.documents.plans`` (``make documents-queries``) writes the record; begin with ``scenario``.
"""
