"""``lading import`` and its neighbours against a running service."""
