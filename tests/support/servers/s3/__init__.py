"""Servers that speak S3, as others make them: real ones, started for tests.

Begin with ``seaweed``, which CI runs; ``make test-clouds`` also runs those of ``gateways``.
"""
