"""Orders of operators to workers, kept in the documents: pauses of the queue, and drains of one worker.

It may use ``documents``, ``models`` and ``observe``. ``pauses`` and ``crew`` have the operator's side, ``presence`` the
worker's. Begin with ``inbox``.
"""
