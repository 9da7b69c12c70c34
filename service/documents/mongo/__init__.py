"""Documents in MongoDB (6.0 or newer), shared by any number of Lading processes on any number of machines.

For operators. A replica set or a sharded cluster is needed, for retryable writes; one node may be a replica set by
itself. Every write is acknowledged by a majority, in its journal, before Lading reports it. The user in the URI needs
the role ``readWrite`` on the database, whose collections are ``imports``, ``workers``, ``pings`` and ``issuers``; the
last holds the secrets of issuers: restrict who reads it. Streams of events read the oplog: the longer it reaches back,
the longer a client may be away and go on without being told anything again. Leases, retries and all else that lasts
some time are judged by the primary's clock, whatever the clocks of the nodes say. Keep the clocks of a replica set's
servers together, as MongoDB asks: where the primary's clock steps forward, leases end early, and their imports begin
again.

Only this room imports motor, pymongo and bson. ``pymongo.AsyncMongoClient`` has every method of motor's client that it
uses, under the same name.
Begin with ``store``; ``connection`` opens the client, ``schema`` and ``upgrades`` prepare the collections.
"""
