"""The suite of type detectors.

It knows the contract of detectors.
Begin with ``suite`` and ``support``.
"""
