"""What is stored and told of an import: copies, so that nobody outside can change what is stored."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...models import Held, Image, Import


def detached(document: Import) -> Import:
    """The same import with ``params`` and the like of its own, so that nobody outside can change what is stored."""
    params, outbox, trace = copy.deepcopy((dict(document.params), document.outbox, document.trace))
    return replace(document, params=params, outbox=outbox, trace=trace)


def as_stored(document: Import, outbox: tuple[Mapping[str, Any], ...]) -> Import:
    """What is stored of a document that is written over one with this outbox."""
    return detached(replace(document, outbox=(*outbox, *document.new_events), new_events=()))


def is_held(image: Image | None, storage: str, held: Held) -> bool:
    """Whether a storage has of an image what ``held`` says."""
    if image is None:
        return False
    if held is Held.MAIN:
        return image.storage == storage
    return image.mirror == storage and image.is_mirrored is (held is Held.MIRRORED)
