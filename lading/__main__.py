"""``python -m lading``: the ``lading`` command."""

from .service.cli.main import main

main(prog_name="lading")
