"""Built-in type detectors."""
