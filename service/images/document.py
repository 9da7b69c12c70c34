"""The document of a stored image, as ``GET /api/v1/images/{id}`` shows it."""

from datetime import tzinfo
from typing import Any

from ..models.representation import image_facts, timestamp
from .operations import StoredImage


def image_document(found: StoredImage, timezone: tzinfo) -> dict[str, Any]:
    """The answer to ``GET /api/v1/images/{id}``."""
    document = found.document
    return {
        "id": document.image_id,
        "import_id": document.id,
        "organization_id": document.organization_id,
        "album_id": document.album_id,
        "filename": found.filename,
        "metadata": document.metadata,
        **image_facts(found.image),
        "created_at": timestamp(document.created_at, timezone),
    }
