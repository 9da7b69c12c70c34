"""The command ``lading``: one module or room for each group of subcommands.

It may use every room; no room uses it.
Begin with ``main``, the list of commands; ``common`` and ``output`` have what commands share.
"""
