"""What commands print beyond lines: tables, and progress on a terminal.

It may use ``models`` and ``storages`` of Lading, and no command.
Begin with ``tables``; ``progress`` shows how far a long command is.
"""
