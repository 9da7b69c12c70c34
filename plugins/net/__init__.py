"""For fetchers that open sockets: the address policy, the resolver, the guarded socket.

It uses the errors of plugins and the standard library.
Begin with ``addresses``, then ``resolver`` and ``sockets``.
"""
