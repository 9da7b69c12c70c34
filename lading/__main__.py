"""``python -m lading`` and the command ``lading``."""

import gc

# Imports make several hundred thousand objects and hardly any garbage. Looking for it takes a fifth of a start.
gc.disable()

from .service.cli.main import main  # noqa: E402 - see above

gc.enable()

if __name__ == "__main__":
    main(prog_name="lading")
