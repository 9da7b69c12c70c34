"""Webhooks: signed requests that tell receivers what became of imports, by Standard Webhooks.

A fact is announced in three steps, each durable before the next: the write that makes it true puts its event into the
import's outbox; the *announcer* makes a delivery for every receiver out of it, and clears the outbox; the *deliverer*
sends each delivery until it is accepted, or 24 hours have passed. Ids are derived from what they stand for, so a step
that is made twice, by two processes or after a crash, makes nothing twice. A request may arrive more than once, always
with the same ``webhook-id``.

It may use ``limits`` and every room below, and fetchers that can post.
Begin with ``outbox`` (the event), then ``delivery/`` (the request); ``management`` and ``endpoints`` serve the API.
"""
