"""The worker: it claims queued imports under a lease, runs attempts, and retries them.

It may use ``images`` and every room below; ``pipeline/`` is a single attempt.
Begin with ``worker``, then ``attempts``.
"""
