"""Services that do Lading's job, started for ``bench.sections.peers``; ``.venv-peers`` has what they need.

``plain_queue`` is what many write themselves; ``running`` starts it, and Thumbor; ``clients`` asks them and Lading.
``companion`` starts Uppy Companion, and asks it.
"""
