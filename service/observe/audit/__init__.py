"""The audit log: who has changed which issuer, webhook, image, import or pause, and whether it succeeded.

It may use what ``observe`` may use.
Begin with ``recording``: every such change goes through it; ``actions`` lists the events, ``file`` writes them.
"""
