"""The reading of URLs, and for fetchers that open sockets: the address policy, the resolver, the guarded socket.

It uses the contracts and the errors of plugins, the schemes of the host, and ``ada_url``.
Begin with ``urls`` and ``addresses``, then ``resolver`` and ``sockets``.
"""
