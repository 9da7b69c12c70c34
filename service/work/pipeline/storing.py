"""Stores the image of an attempt, and describes the object that storage then holds.

The key comes from the document, and saves are create-only. So an attempt may find the object of an earlier attempt,
which ended between its save and its result. The attempt uses an object with the bytes that it would store itself. An
object with other bytes is from an origin that has changed since, or was made by other processors, or by none: nobody
knows. Without processors the attempt uses it, since the first saved bytes of an import win. With processors it must
not, since the object may hold what the processors remove or refuse. The attempt then gives the import another key,
durably, and saves under that. No attempt can end with the earlier object any more, and it goes when the import ends.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from ....plugins.contracts import ImageInfo, ObjectMetadata
from ....plugins.errors import ObjectExists
from ....plugins.host.record import enter
from ...models import Image, Import
from ...models.fields import MAX_KEYS
from ...models.filenames import fitting
from ...observe.metrics.meter import Meter
from ...storages.mirror import Mirror
from ...storages.saving import Saving
from ...storages.spool import Spool, Spools
from .duplicates import Duplicates, group_of
from .processing import Ready
from .slowness import outage_if_slow


@dataclass(frozen=True, slots=True)
class Storing:
    """Stores images. ``Importer`` describes the attributes of the same name.

    Attributes:
        detect: recognises an object that storage has already.
        begun: ids of the imports whose attempt has begun a save.
    """

    detect: Callable[[Spool], Awaitable[ImageInfo]]
    spools: Spools
    routed: Callable[[Import], Saving]
    mirror: Mirror | None
    admit: Callable[[Import, int, str | None], Awaitable[None]] | None
    duplicates: Duplicates | None
    meter: Meter
    begun: set[str] = field(default_factory=set)

    async def store(self, document: Import, ready: Ready, filename: str | None) -> tuple[Image, Import]:
        """Save an image.

        Returns:
            the image, and the import as it was written last.

        Raises:
            PluginError: the save was refused, or failed.
            TakenOver: another attempt owns the import by now.
        """
        if self.admit is not None:
            await self.admit(document, ready.spool.byte_size, group_of(document, ready.spool.sha256))
        if ready.source_sha256 is not None:
            filename = fitting(filename, ready.info.content_type)
        enter("save")
        self.begun.add(document.id)
        for number in range(MAX_KEYS):
            if number and self.duplicates is not None:
                document = await self.duplicates.rekeyed(document)
            try:
                return await self._saved(document, ready, filename), document
            except ObjectExists:
                image = await self._stored(document, ready, filename)
                if image is not None:
                    return image, document
                if self.duplicates is None:
                    raise
        raise ObjectExists(f"other bytes, under {MAX_KEYS} keys")

    async def _saved(self, document: Import, ready: Ready, filename: str | None) -> Image:
        spool, saving = ready.spool, self.routed(document)
        metadata = ObjectMetadata(
            byte_size=spool.byte_size,
            sha256=spool.sha256,
            content_type=ready.info.content_type,
            filename=filename,
            import_id=document.id,
            organization_id=document.organization_id,
            issuer_id=document.issuer_id,
            album_id=document.album_id,
        )
        with outage_if_slow():
            await saving.save(document.storage_key, spool, metadata)
        self.meter.stored(saving.name, spool.byte_size)
        image = ready.described(self.image(ready.info, spool, saving.name, document.storage_key, filename))
        if self.mirror is not None:
            is_mirrored = await self.mirror.save(document.storage_key, spool, metadata)
            image = replace(image, is_mirrored=is_mirrored)
        return image

    async def _stored(self, document: Import, ready: Ready, filename: str | None) -> Image | None:
        """Describe the object that an earlier attempt saved; None if the attempt must not use it."""
        saving, key = self.routed(document), document.storage_key
        with self.spools.open() as spool:
            with outage_if_slow():
                async with saving.storage.open(key) as stored:
                    await spool.fill(stored.chunks)
            if spool.sha256 == ready.spool.sha256:
                return ready.described(self.image(ready.info, spool, saving.name, key, filename))
            if ready.done:
                return None
            return self.image(await self.detect(spool), spool, saving.name, key, filename)

    def image(self, info: ImageInfo, spool: Spool, storage: str, key: str, filename: str | None) -> Image:
        """The description of the bytes of a spool, as an object."""
        return Image(
            format=info.format,
            content_type=info.content_type,
            width=info.width,
            height=info.height,
            frames=info.frames,
            byte_size=spool.byte_size,
            sha256=spool.sha256,
            storage=storage,
            key=key,
            filename=filename,
            orientation=info.orientation,
            notes=info.notes,
            mirror=None if self.mirror is None else self.mirror.name,
        )
