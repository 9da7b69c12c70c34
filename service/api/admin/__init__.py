"""The admin listener: HTTP for the operator, on an address of its own, without tokens.

It may use ``observe`` and ``errors``, and nothing of the API beside it.
Begin with ``app``, its route table.
"""
