"""Settings of every test run."""

import os

# Event loops complain of coroutines that were never awaited, and of callbacks in the wrong thread.
os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
