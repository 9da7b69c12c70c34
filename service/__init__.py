"""The web service: handlers, documents, the importer and the worker."""
