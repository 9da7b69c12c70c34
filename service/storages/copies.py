"""Copies images from one storage to another: exactly the imported bytes, or nothing."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable

from ...backends.guard.storage import GuardedStorage
from ...plugins.contracts import ObjectMetadata, StorageBackend
from ...plugins.errors import ContentMismatch, ObjectExists
from ..documents import DocumentStore, StoreUnavailable
from ..documents.contention import tries
from ..models import Image, Import
from .sharing import owner_of


async def copy_image(document: Import, image: Image, source: StorageBackend, target: StorageBackend) -> bool:
    """Copy an image from ``source`` to ``target``, under the same key. May be repeated, and run twice at once.

    Args:
        document: of the image.
        image: the image, or its future state.
        source: the storage that has it.
        target: the storage that gets it. Both are behind their guards, which compare size and SHA-256 of saved bytes.

    Returns:
        whether it was copied; False if ``target`` had it before, which was read and compared.

    Raises:
        ObjectNotFound: ``source`` does not have it.
        ContentMismatch: the bytes in ``source`` or ``target`` are not the imported bytes; nothing was changed.
        PluginError: any other failure of either.
    """
    if not await target.exists(image.key):
        metadata = ObjectMetadata(
            byte_size=image.byte_size,
            sha256=image.sha256,
            content_type=image.content_type,
            filename=document.filename or image.filename,
            import_id=document.id,
            organization_id=document.organization_id,
            issuer_id=document.issuer_id,
            album_id=document.album_id,
        )
        try:
            async with source.open(image.key) as stored:
                await target.save(image.key, stored.chunks, metadata)
        except ObjectExists:
            pass  # somebody else has copied it at the same time
        else:
            return True
    await check_image(image, target)
    return False


async def record_copy(
    store: DocumentStore, document: Import, target: StorageBackend, transition: Callable[[Import], Import | None]
) -> Import | None:
    """Record in a document that ``target`` has a copy of its image.

    If the image was deleted meanwhile, the copy belongs to the import that has adopted the object. Without such an
    import the copy goes, since the deletion does not know of it. It stays if an import may yet adopt the object:
    another run may have found this copy, and recorded it for that import.

    Args:
        store: keeps the document.
        document: as it was when its image was copied.
        target: the storage with the copy.
        transition: makes the new state of the newest document; None if there is nothing to write.

    Returns:
        the present document of the import that has the object now; None if its image was deleted.

    Raises:
        PluginError, StoreUnavailable: the document may or may not be written.
    """
    key = document.storage_key
    async for _ in tries():
        after = transition(document)
        if after is None:
            return document
        if await store.update(after):
            return after
        found = await store.get(document.id)
        if found is None or found.image_deleted_at is not None:
            found = await owner_of(store, key)
        if found is None:
            await clear_unwanted(store, key, target)
            return None
        document = found
    raise StoreUnavailable(f"others keep writing the document of import {document.id}")


async def clear(store: DocumentStore, document: Import, storage: GuardedStorage) -> None:
    """Remove an image from a storage that its document no longer names. If the document names it again by now, the
    image stays.

    Raises:
        PluginError, StoreUnavailable: the storage may still have it.
    """
    now = await owner_of(store, document.storage_key) or await store.get(document.id)
    if now is None or now.image is None or storage.name not in now.image.places:
        await storage.delete(document.storage_key)


async def clear_unwanted(store: DocumentStore, key: str, storage: GuardedStorage | StorageBackend) -> None:
    """Remove a copy of an object whose owner's image was deleted, unless another import shares the object.

    Raises:
        PluginError, StoreUnavailable: the storage may still have it.
    """
    if await store.heir(key) is None:
        await storage.delete(key)


async def check_image(image: Image, storage: StorageBackend) -> None:
    """Read the image and compare size and SHA-256 with its document.

    Raises:
        ObjectNotFound: it is missing.
        ContentMismatch: its bytes are not the imported bytes.
        PluginError: any other failure of the storage.
    """
    async with storage.open(image.key) as stored:
        if stored.byte_size != image.byte_size:
            raise ContentMismatch(f"{image.key}: {stored.byte_size} bytes instead of {image.byte_size}")
        sha256 = await sha256_of(stored.chunks)
    if sha256 != image.sha256:
        raise ContentMismatch(f"{image.key}: sha256 {sha256} instead of {image.sha256}")


async def sha256_of(chunks: AsyncIterator[bytes]) -> str:
    """Lower-case hexadecimal SHA-256 of a stream."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        await asyncio.to_thread(digest.update, chunk)
    return digest.hexdigest()


async def are_one_place(one: StorageBackend, other: StorageBackend) -> bool:
    """Whether two storages are one place under two names: an object that is saved in one appears in the other.

    A deletion from one would then lose the image.

    Raises:
        PluginError: the storages do not say.
    """
    content = secrets.token_bytes(32)
    key = f"lading-check-{secrets.token_hex(16)}"
    metadata = ObjectMetadata(len(content), hashlib.sha256(content).hexdigest(), "application/octet-stream")
    try:
        await one.save(key, once(content), metadata)
        return await other.exists(key)
    finally:  # also where the save was interrupted
        await one.delete(key)


async def once(content: bytes) -> AsyncIterator[bytes]:
    """The content as a stream."""
    yield content
