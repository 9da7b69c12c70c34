"""One attempt at an import: fetch, detect, process, save.

It knows the contracts of plugins and of the document store, neither Tornado nor a database.
Begin with ``importer``.
"""
