"""Every error that a client can read: codes, statuses, texts and hints.

It may use ``documents`` and ``models``; the map from plugin errors to API errors is here and nowhere else.
Begin with ``catalogue``.
"""
