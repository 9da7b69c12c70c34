"""Many imports in one request. Lading reads, accepts and answers each item alone, and counts the batch as a whole.

It may use its neighbours in ``imports``, and every room below. Begin with ``batches``; ``items`` reads the body,
``results`` writes the lines of the answer.
"""
