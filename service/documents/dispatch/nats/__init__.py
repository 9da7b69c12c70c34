"""Dispatch by NATS JetStream: the broker hands out the ids of queued imports, the documents stay the truth.

``broker`` speaks to NATS by its ``options``, ``stream`` makes what is missing there, and only these two import the
client; ``dispatch`` decides what a worker claims.
Begin with ``dispatch``.
"""
