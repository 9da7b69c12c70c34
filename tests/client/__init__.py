"""The Python client, both of them by the same tests, against a real service."""
