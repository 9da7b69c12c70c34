"""The import document: its fields, its states and the transitions between them. No I/O.

    waiting -> queued <-> running -> done | failed;  waiting | queued | running -> cancelled
    waiting <-> running, while a client sends the bytes;  failed | cancelled -> queued | waiting, when it is retried

The image of a done import may be moved to another storage, mirrored, deleted, and then purged; the import stays done,
and says so. A deleted import is hidden from everyone until its bytes are purged, and then removed.

A done import may share the object that another import has stored. It says so while it still runs (``referring``), and
ends only if the image of the owner is not deleted after that (``duplicated``). When the owner goes, a sharer adopts the
object (``adopted``). ``lading.service.storages.sharing`` tells the order of these writes.

It uses the standard library and ``lading.plugins.keys`` alone: every other room uses it.
Begin with ``lifecycle``, which has the states and transitions; ``values`` has what a document holds.

Every transition returns a new value whose ``revision`` is one higher; ``DocumentStore.update`` writes it only over the
revision before it, so a worker that lost its lease can change nothing.
"""

from .lifecycle import Import
from .values import Failure, Held, Image, Share, Status

__all__ = ["MAX_ID_LENGTH", "Failure", "Held", "Image", "Import", "Share", "Status"]

MAX_ID_LENGTH = 64
"""The longest id that is looked up; no id is longer."""
