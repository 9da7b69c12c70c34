"""The suite of processors.

It knows the contract of processors.
Begin with ``suite`` and ``support``.
"""
