"""Every operation of the API. ``lading.service.api.openapi.declaration`` says how one is declared."""

from collections.abc import Sequence
from typing import Final

from ..declaration import Operation
from .batches import BATCHES
from .images import IMAGES
from .imports import IMPORTS
from .service import SERVICE
from .uploads import UPLOADS
from .webhooks import WEBHOOKS

OPERATIONS: Final[Sequence[Operation]] = (*IMPORTS, *BATCHES, *IMAGES, *UPLOADS, *WEBHOOKS, *SERVICE)
"""All of them, in the order in which they are shown."""
