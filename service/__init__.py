"""The web service, in rooms that import one another from the top of the house to its bottom.

``cli`` uses everything below it; ``models`` uses nothing. ``pyproject.toml`` holds the order as import-linter's layers.
Begin with ``docs/explanation/architecture.md``.
"""
