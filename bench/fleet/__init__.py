"""A model of a fleet of workers on one database, fed with measured costs and checked against real worker processes.

costs       what accepting, claiming, running and finishing an import cost on this machine
free        a real worker whose imports cost nothing: fetcher, detector and storage in memory
real        so many processes of such a worker on one database
dispatch    who hands out the imports: the documents or a broker, side by side (``make bench-dispatch``)
model       the simulation: workers, cores, the database, the broker and hosts, event by event
queues      queued imports, as simulated claims see them
scenarios   fleets of up to 1,000 workers: heavy tails, a hog among 10,000 tenants, a lost zone

``python -m bench.fleet`` (``make bench-fleet``) runs all of it.
"""
