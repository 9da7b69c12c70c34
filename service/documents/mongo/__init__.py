"""Documents in MongoDB (6.0 or newer), shared by any number of Lading processes on any number of machines.

For operators. A replica set or a sharded cluster is needed, for retryable writes; one node may be a replica set. Every
write is acknowledged by a majority, in its journal, before Lading reports it. The user in the URI needs ``readWrite`` on
the database and ``createIndex`` there (``readWrite`` includes it). The collections are ``imports``, ``workers``,
``issuers`` (it holds their secrets: restrict who reads it) and ``pings``. Clocks: leases are judged by the primary's; when
a retry is due, by the node's own, so keep the nodes' clocks within a second.

Only this package imports motor, pymongo and bson. What it uses of motor's client, ``pymongo.AsyncMongoClient`` has under
the same names.
"""
