"""Lading imports images by URL: the service, its storages and its plugins under one installed name.

This is the one place that says the version: ``setup.py`` reads it from here.
"""

__version__ = "0.2.0"
