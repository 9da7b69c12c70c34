"""Built-in fetchers."""
