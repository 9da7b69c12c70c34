"""The reference of the ``DocumentStore`` contract: dictionaries, for tests and trials.

It uses the contract alone.
Begin with ``store``.
"""
