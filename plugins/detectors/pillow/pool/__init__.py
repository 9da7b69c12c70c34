"""Keeps the decoding children, and asks them.

It may use ``plugins.host``, and knows nothing of images. Begin with ``children``, where a call has a child for itself;
``groups`` lets calls about small files share one exchange.
"""
