"""Dispatch by NATS JetStream: the broker hands out the ids of queued imports, the documents stay the truth.

``dispatch`` decides what a worker claims; ``broker`` speaks to NATS by its ``options``; ``stream`` makes what is
missing there. No other module than the last two imports the client.
Begin with ``dispatch``.
"""
