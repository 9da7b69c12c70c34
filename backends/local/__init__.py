"""Storage on a local disk: the embedded default.

``storage`` is the asynchronous shell; all other modules block, and run in threads or in a child process.
Begin with ``storage``, then ``tree``.
"""
