"""Every operation of the API. ``service.openapi.operation`` says how one is declared."""

from collections.abc import Sequence
from typing import Final

from service.openapi.operation import Operation
from service.openapi.operations.batches import BATCHES
from service.openapi.operations.images import IMAGES
from service.openapi.operations.imports import IMPORTS
from service.openapi.operations.service import SERVICE
from service.openapi.operations.uploads import UPLOADS
from service.openapi.operations.webhooks import WEBHOOKS

OPERATIONS: Final[Sequence[Operation]] = (*IMPORTS, *BATCHES, *IMAGES, *UPLOADS, *WEBHOOKS, *SERVICE)
"""All of them, in the order in which they are shown."""
