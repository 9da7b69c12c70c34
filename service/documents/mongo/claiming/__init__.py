"""How the MongoDB store gives queued imports to workers: fairly, and mostly with one command to read and one to write.

It may use ``connection``, ``fields``, ``schema`` and ``writes``. Begin with ``claims``.
"""
