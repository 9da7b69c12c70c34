"""Webhooks: signed requests that tell receivers what happened to imports, by Standard Webhooks.

An event passes three steps, each durable before the next. The write that makes the event true puts it into the import's
outbox. The *announcer* makes a delivery of it for every receiver, and clears the outbox. The *deliverer* sends each
delivery until the receiver accepts it, or 24 hours have passed. Ids derive from the things that they name, so a step
that runs twice, in two processes or after a crash, creates nothing twice. A request may arrive more than once, always
with the same ``webhook-id``.

It may use ``limits`` and every room below, and fetchers that can post.
Begin with ``outbox`` (the event), then ``delivery/`` (the request); ``management`` and ``endpoints`` serve the API.
"""
