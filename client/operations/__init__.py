"""The operations of a client, each a generator of steps: what is asked of the service, and how its answers are read.

It may use the modules beside this folder, but neither httpx nor the clients. Begin with ``imports``; ``batches`` is the
one with state, which ``flights`` keeps.
"""

from .batches import BatchOperations
from .endpoints import WebhookOperations
from .following import EventOperations
from .images import ImageOperations
from .uploads import UploadOperations

__all__ = ["Operations"]


class Operations(BatchOperations, UploadOperations, ImageOperations, EventOperations, WebhookOperations):
    """All operations."""

    __slots__ = ()
