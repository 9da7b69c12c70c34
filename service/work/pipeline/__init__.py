"""One attempt at an import: fetch, detect, save.

It knows the contracts of plugins, neither Tornado nor a database.
Begin with ``importer``.
"""
