"""Lading imports images by URL: the service, its storages and its plugins under one installed name."""
