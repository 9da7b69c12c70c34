"""Compares what a storage holds with what documents say: ``lading storage audit``.

It may use ``routes`` and ``documents``. It deletes orphans when the operator asks for that.
Begin with ``compare``.
"""
