"""``lading queue`` and ``lading workers``: what operators see of the queue, and do to it.

It uses ``imports.overview``, ``imports.bulk`` and ``work.orders``; ``scope`` opens the documents for all commands.
Begin with ``command``.
"""
