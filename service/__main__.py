"""``python -m service``: the ``lading`` command."""

from service.cli import main

main()
