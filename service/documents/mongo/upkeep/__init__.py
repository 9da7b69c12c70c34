"""What operators need of the MongoDB store: the upgrade of a database, and how it serves the store's statements.

It may use the modules beside it. Begin with ``upgrades`` and ``planning``.
"""
