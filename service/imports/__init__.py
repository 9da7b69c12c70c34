"""The life of an import as its client sees it: accept, list, change, watch.

It may use ``work`` and every room below; it knows no HTTP but the codes of its errors.
Begin with ``accept``; ``batches/``, ``uploads/`` and ``events/`` are rooms of their own.
"""
