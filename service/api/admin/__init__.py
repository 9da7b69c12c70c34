"""The admin listener: HTTP for the operator, on an address of its own, without tokens.

It may use ``imports``, ``work`` and every room below; of the API beside it ``http.methods`` and ``params`` alone.
Begin with ``app``, its route table; ``operations`` says what keeps web pages out.
"""
