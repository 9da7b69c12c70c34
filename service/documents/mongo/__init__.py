"""Documents in MongoDB (6.0 or newer), shared by any number of Lading processes on any number of machines.

For operators. Lading needs a replica set or a sharded cluster, for retryable writes; a single node can form a replica
set. Before Lading reports a write, a majority has acknowledged it, in its journal. The user in the URI needs the role
``readWrite`` on the database. The collections are ``imports``, ``records``, ``workers``, ``tickets``, ``pings`` and
``issuers``. ``issuers`` holds the secrets of issuers: restrict who can read it. Event streams read the oplog: the
longer the oplog reaches back, the longer a client may be disconnected and still continue without repeated events. The
primary's clock decides leases, retries and every other duration, whatever the clocks of the nodes say. Synchronise the
clocks of the replica set's servers, as MongoDB requires: if the primary's clock steps forward, leases end early and
their imports start again.

Only this room imports motor, pymongo and bson. ``pymongo.AsyncMongoClient`` has every method of motor's client that
this room uses, under the same name.
Begin with ``store``; ``connection`` opens the client, ``schema`` and ``upkeep/`` prepare the collections.
"""
