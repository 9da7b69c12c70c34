"""Many imports in one request. Each item is read, accepted and answered alone; the batch is counted as a whole.

It may use its neighbours in ``imports``, and every room below.
Begin with ``batches``; ``items`` reads the body, ``results`` writes the lines of the answer.
"""
