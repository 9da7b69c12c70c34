"""Compares the objects of a storage with the documents: ``lading storage audit``.

It may use ``routes`` and ``documents``. It deletes orphans if the operator asks for it.
Begin with ``compare``.
"""
