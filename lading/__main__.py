"""``python -m lading`` and the command ``lading``."""

import gc
import signal
import sys
import threading
from typing import Any

# Ctrl-C while the modules load ends the process like every other program, without a traceback of imports.
_INTERRUPTIBLE = (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
)
if _INTERRUPTIBLE:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

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
if _INTERRUPTIBLE:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    main(prog_name="lading")
