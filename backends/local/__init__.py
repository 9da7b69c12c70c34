"""Storage on a local disk: the embedded default.

It may use the contracts of plugins. ``storage`` is the asynchronous shell; all other modules block, and run in threads
or in a child process.
Begin with ``storage``, then ``tree``.
"""
