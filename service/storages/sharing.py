"""One object for several imports: how an import starts to share another import's object, and who inherits the object.

The object belongs to one document, its owner. The order of writes, each by compare-and-set, keeps the object as long as
a done import refers to it, whichever process dies between two writes:

- A sharer writes, while it still runs, that it refers to the object. Then it reads the owner again. It finishes with
  the object only if the owner's image is not deleted; else it withdraws the reference.
- A deletion first writes to the owner's document. Then it looks for an heir. A done heir adopts the object. The
  deletion waits for an heir that still runs. Without an heir, the object goes: a sharer that refers to it after that
  look reads the owner again, and finds that the image is deleted.

So an object without a living owner and without an heir never comes back.
"""

from ..documents import DocumentStore
from ..models import Image, Import, Share


async def owner_of(store: DocumentStore, key: str) -> Import | None:
    """The import whose own image is the object under this key, and is not deleted; None without one.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    first = await store.get(key.rpartition("/")[2])
    if first is not None and owns(first, key):
        return first
    heir = await store.heir(key)
    return heir if heir is not None and heir.share is Share.OWNER else None


def owns(document: Import, key: str) -> bool:
    """Whether the object is the import's own image, and not deleted."""
    return document.image is not None and document.image.key == key and document.image_deleted_at is None


async def is_wanted(store: DocumentStore, key: str) -> bool:
    """Whether an import needs the object under this key, or may come to need it.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    return await owner_of(store, key) is not None or await store.heir(key) is not None


async def image_of(store: DocumentStore, document: Import) -> Image | None:
    """The image that an import has or shares, with the present storages of its object. None without an image.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    if document.image is not None or document.duplicate is None:
        return document.image
    shared = document.duplicate
    first = await store.get(shared.import_id)
    if first is not None and first.image is not None and owns(first, shared.key):
        return first.image
    # Its first owner goes. An import that has adopted the object may have moved it since.
    heir = await store.heir(shared.key)
    if heir is not None and heir.image is not None:
        return heir.image
    if first is not None and first.image is not None and first.image.key == shared.key:
        return first.image
    return shared  # its owner goes at this moment, and has hardly moved it
