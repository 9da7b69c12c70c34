"""``python -m lading`` and the command ``lading``."""

import gc
import sys
from typing import Any

# Imports make several hundred thousand objects and hardly any garbage. Looking for it takes a fifth of a start.
gc.disable()

# structlog imports rich wherever that is installed, a tenth of a start, for tracebacks that Lading writes itself.
modules: Any = sys.modules
modules.setdefault("rich", None)
import structlog  # noqa: E402, F401

if modules["rich"] is None:
    del modules["rich"]

from .service.cli.main import main  # noqa: E402 - see above

gc.enable()

if __name__ == "__main__":
    main(prog_name="lading")
