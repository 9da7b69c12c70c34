"""``lading demo``: one import end to end, on one machine and without the internet.

It may use every room, and Tornado for its origin and its client.
Begin with ``run``.
"""
