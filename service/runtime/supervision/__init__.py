"""Several service processes on one port: the supervisor, its children, and the answers while none of them serves.

It may use the rest of ``runtime``; ``cli`` uses it.
Begin with ``supervisor``, which keeps children running; ``child`` is the other end, and ``standby`` answers meanwhile.
"""
