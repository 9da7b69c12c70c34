"""The admin listener: HTTP for the operator, on an address of its own, without tokens.

It may use ``observe``, ``errors`` and ``models``, and of the API beside it ``http.methods`` alone.
Begin with ``app``, its route table.
"""
