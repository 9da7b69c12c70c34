"""The embedded default: documents in one SQLite file, shared by all processes of one machine.

It uses the contract and the standard library's ``sqlite3``.
Begin with ``store``; ``engine/`` owns files, threads and transactions, ``schema`` upgrades.
"""
