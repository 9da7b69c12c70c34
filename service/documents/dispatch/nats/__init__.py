"""Dispatch by NATS JetStream: the broker hands out the ids of queued imports, the documents stay the truth.

``broker`` speaks to NATS by its ``options`` and is the only module that imports its client; ``dispatch`` decides what a
worker claims.
Begin with ``dispatch``.
"""
