"""Compares what a storage holds with what documents say: ``lading storage audit``.

It reads listings and documents, and deletes orphans where it is asked to.
Begin with ``compare``.
"""
