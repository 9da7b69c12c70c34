"""``python -m lading`` and the command ``lading``."""

from .service.cli.loading import loading

with loading():
    from .service.cli.main import main

if __name__ == "__main__":
    main(prog_name="lading")
