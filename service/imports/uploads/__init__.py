"""Images whose bytes the client sends: in one request, or in several (tus).

They use leases as the worker does, and spools as every import does.
Begin with ``receiving``; ``resumable`` and ``files`` are the tus part.
"""
