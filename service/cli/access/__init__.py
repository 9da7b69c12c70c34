"""The commands that say who may use Lading: issuers, their tokens, and links that sign a browser in.

They may use every room below ``cli``.
Begin with ``issuers``, which keeps them; ``tokens`` signs for one of them.
"""
