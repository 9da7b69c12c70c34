"""From an event in an outbox to a signed request at its receiver.

Deliveries are records of the document store. It may use the outbox, and fetchers that can post.
Begin with ``announcer``, then ``sender`` and ``attempt``.
"""
