"""Every operation of the API, one module a resource.

It may use ``lading.service.api.openapi.declaration``, whose docstring shows how an operation is declared.
Begin with ``service``, which is short; ``common`` has parameters and errors that resources share.
"""

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
