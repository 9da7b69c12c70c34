"""The use case: fetch, detect, save. Knows neither Tornado nor a database.

The first bytes that are saved for an import win. The key is derived from the import's id and saves are create-only, so
where an earlier attempt died between saving and finishing, this attempt finds its object, and finishes with that: what
the document says is read off the stored object itself, never off bytes that were fetched but not stored (P3, P5).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Protocol

from ....plugins.capabilities import SupportsFiles
from ....plugins.contracts import Fetched, Fetcher, ImageInfo, ObjectMetadata, Source, StorageBackend, TypeDetector
from ....plugins.errors import (
    DeadlineExceeded,
    DetectError,
    FetchError,
    FormatNotAllowed,
    NotAnImage,
    ObjectExists,
    PluginError,
    SourceNotModified,
)
from ....plugins.host.record import enter
from ....plugins.host.schemes import fetcher_for, scheme_of
from ...models import Image, Import
from ...secrets.vault import Vault
from ...storages.mirror import Mirror
from ...storages.saving import Saving
from ...storages.spool import Spool, Spools
from .duplicates import Duplicate, Duplicates, source_of
from .expectations import ExpectationFailed, check_expectations
from .outcomes import Outcome, Preview, facts_in, facts_of
from .slowness import outage_if_slow, stalled_if_slow

MAX_ETAG_LENGTH = 256
DUPLICATE_TRIES = 3
"""How often an image is looked for that is there already, while those that are found are deleted."""


class WatchesFetches(Protocol):
    """Knows how far fetches have come; ``lading.service.imports.events.progress`` does."""

    def begin(self, import_id: str, fills: Spool, total: int | None) -> None:
        """A fetch begins; the size of what it fills is how far it has come."""
        ...

    def end(self, import_id: str) -> None:
        """It has ended, in whatever way."""
        ...


class Importer:
    """Runs imports through the configured plugins.

    Args:
        fetchers: by URL scheme.
        detectors: in the order in which they are asked.
        storage: where images are saved, and ``storage_name`` its name.
        files: saves files in ``storage``, where it can.
        spools: where the bytes wait.
        mirror: where a second copy of each image is kept, if anywhere.
        vault: opens what is secret in the parameters.
        progress: told how far fetches have come.
        duplicates: finds images that are there already, for imports that want no second copy.
        admit: asked before an image of so many bytes is saved for an import; raises ``PluginError`` where it must not.
    """

    def __init__(
        self,
        *,
        fetchers: Mapping[str, Fetcher],
        detectors: Sequence[TypeDetector],
        storage: StorageBackend,
        storage_name: str,
        spools: Spools,
        vault: Vault,
        admit: Callable[[Import, int], Awaitable[None]] | None = None,
        mirror: Mirror | None = None,
        duplicates: Duplicates | None = None,
        progress: WatchesFetches | None = None,
        files: SupportsFiles | None = None,
    ) -> None:
        self.fetchers = fetchers
        self._detectors = detectors
        self._storage = storage
        self._saving = Saving(storage, files)
        self._storage_name = storage_name
        self._spools = spools
        self._mirror = mirror
        self._vault = vault
        self._admit = admit
        self._duplicates = duplicates
        self._progress = progress
        self._saves: set[str] = set()

    def check(self, source: Source) -> None:
        """Refuse, without I/O, a source that can never be fetched.

        Raises:
            SourceRefused: with the reason.
        """
        fetcher_for(self.fetchers, source.url).check(source)

    def import_type(self, url: str) -> str | None:
        """The kind of the fetcher that serves the url, or None where none does."""
        fetcher = self.fetchers.get(scheme_of(url))
        return fetcher.kind if fetcher else None

    async def ping_storage(self) -> None:
        """Make sure that images can be saved.

        Raises:
            PluginError: they cannot.
        """
        await self._storage.ping()

    def has_left(self, import_id: str) -> bool:
        """Whether an attempt at the import that has ended, and was not asked about, may have left an object in storage.

        It has begun to save, and did not return. It is forgotten with this call.
        """
        has_left = import_id in self._saves
        self._saves.discard(import_id)
        return has_left

    async def run(self, document: Import) -> Outcome:
        """One attempt: when this returns, storage holds exactly the image that the outcome describes.

        Where it raises, or is cancelled, ``has_left`` tells whether storage may hold something all the same.

        Raises:
            PluginError: the attempt failed.
            TakenOver: the import is another attempt's by now.
            SecretsUnreadable: what is secret in its parameters was encrypted with another key.
            ValueError: the import has no url.
        """
        if document.url is None:
            raise ValueError(f"import {document.id} has no url")
        failures: list[PluginError] = []
        for source in self._vault.sources(document):
            try:
                return await self._from(document, source)
            except (FetchError, DetectError, DeadlineExceeded, ExpectationFailed) as error:
                failures.append(error)
        raise next((error for error in failures if error.retryable), failures[0])

    async def preview(self, document: Import, sources: Sequence[Source], begins: Callable[[Source], None]) -> Preview:
        """An attempt that stores nothing; ``begins`` is told each source before it is tried.

        Raises:
            PluginError: the import would fail.
        """
        failures: list[PluginError] = []
        for source in sources:
            begins(source)
            fetcher = fetcher_for(self.fetchers, source.url)
            try:
                with self._spools.open() as spool:
                    async with fetcher.open(source) as fetched:
                        enter("body")
                        await spool.fill(fetched.chunks)
                    enter("detect")
                    info = await self._detect(spool)
                    facts = facts_of(info, spool)
                    check_expectations(document.params.get("expect"), facts)
                    return Preview(asdict(facts), source, fetcher.kind)
            except (FetchError, DetectError, DeadlineExceeded, ExpectationFailed) as error:
                failures.append(error)
        raise next((error for error in failures if error.retryable), failures[0])

    async def _from(self, document: Import, source: Source) -> Outcome:
        """One attempt with one source."""
        fetcher = fetcher_for(self.fetchers, source.url)
        origin = source_of(source.url, source.headers)
        known = await self._duplicates.by_source(document, origin) if self._duplicates is not None else None
        if known is not None:
            try:
                return await self._fetched(document, replace(source, if_none_match=known.image.etag), fetcher, origin)
            except SourceNotModified:
                check_expectations(document.params.get("expect"), facts_in(known.image))
            document, image = await self._shared(document, known)
            if image is not None:
                return Outcome(image, fetcher.kind, document)
        return await self._fetched(document, source, fetcher, origin)

    async def _fetched(self, document: Import, source: Source, fetcher: Fetcher, origin: str | None) -> Outcome:
        """Fetch a source and keep what comes.

        Raises:
            SourceNotModified: the origin says that it is what ``if_none_match`` names.
        """
        with self._spools.open() as spool:
            async with fetcher.open(source) as fetched:
                enter("body")
                await self._fill(spool, document, fetched)
                filename = document.filename or fetched.filename
            outcome = await self.keep(document, spool, filename, fetcher.kind)
            is_fetched = outcome.image.sha256 == spool.sha256  # and not what an earlier attempt has stored
        if outcome.is_duplicate or not is_fetched:
            return outcome
        return replace(outcome, image=replace(outcome.image, etag=_short(fetched.etag), source=origin))

    async def _shared(self, document: Import, found: Duplicate) -> tuple[Import, Image | None]:
        """The import as it is written now, and the image that it shares; None where that was deleted meanwhile."""
        if self._duplicates is None:
            return document, None
        document = await self._duplicates.refer(document, found)
        return document, document.duplicate

    async def _fill(self, spool: Spool, document: Import, fetched: Fetched) -> None:
        if self._progress is None:
            await spool.fill(fetched.chunks)
            return
        self._progress.begin(document.id, spool, fetched.content_length)
        try:
            await spool.fill(fetched.chunks)
        finally:
            self._progress.end(document.id)

    async def keep(self, document: Import, spool: Spool, filename: str | None, kind: str) -> Outcome:
        """Detect what the spool holds, and save it for the import: storage holds exactly what is returned then.

        Raises:
            PluginError: it is no image that is allowed, or not as expected, or storage does not take it.
            TakenOver: the import is another attempt's by now.
        """
        enter("detect")
        info = await self._detect(spool)
        if (expected := document.params.get("expect")) is not None:
            check_expectations(expected, facts_of(info, spool))
        for _ in range(DUPLICATE_TRIES if self._duplicates is not None else 0):
            found = await self._duplicates.by_bytes(document, spool.sha256) if self._duplicates is not None else None
            if found is None:
                break
            document, image = await self._shared(document, found)
            if image is not None:
                return Outcome(image, kind, document)
        self._saves.discard(document.id)
        image = await self._saved(document, spool, filename, info)
        self._saves.discard(document.id)
        return Outcome(image, kind, document)

    async def _saved(self, document: Import, spool: Spool, filename: str | None, info: ImageInfo) -> Image:
        if self._admit is not None:
            await self._admit(document, spool.byte_size)
        metadata = ObjectMetadata(
            byte_size=spool.byte_size,
            sha256=spool.sha256,
            content_type=info.content_type,
            filename=filename,
            import_id=document.id,
        )
        enter("save")
        self._saves.add(document.id)
        try:
            with outage_if_slow():
                await self._saving.save(document.storage_key, spool, metadata)
        except ObjectExists:
            return await self._stored_image(document.storage_key, filename)
        image = self._image(info, spool, document.storage_key, filename)
        if self._mirror is not None:
            is_mirrored = await self._mirror.save(document.storage_key, spool, metadata)
            image = replace(image, is_mirrored=is_mirrored)
        return image

    async def _detect(self, spool: Spool) -> ImageInfo:
        """Ask the detectors in turn; where none accepts the file, the first that knew its format has the last word."""
        refusal: NotAnImage | FormatNotAllowed = NotAnImage("no detector is configured")
        for detector in self._detectors:
            try:
                with stalled_if_slow():
                    return await detector.detect(spool.path)
            except (NotAnImage, FormatNotAllowed) as error:
                if not isinstance(refusal, FormatNotAllowed):
                    refusal = error
        raise refusal

    async def _stored_image(self, key: str, filename: str | None) -> Image:
        """Describe the object that an earlier attempt saved."""
        with self._spools.open() as spool:
            with outage_if_slow():
                async with self._storage.open(key) as stored:
                    await spool.fill(stored.chunks)
            info = await self._detect(spool)
            return self._image(info, spool, key, filename)

    def _image(self, info: ImageInfo, spool: Spool, key: str, filename: str | None) -> Image:
        return Image(
            format=info.format,
            content_type=info.content_type,
            width=info.width,
            height=info.height,
            frames=info.frames,
            byte_size=spool.byte_size,
            sha256=spool.sha256,
            storage=self._storage_name,
            key=key,
            filename=filename,
            mirror=None if self._mirror is None else self._mirror.name,
        )


def _short(etag: str | None) -> str | None:
    """An entity tag that is worth keeping."""
    return etag if etag is not None and len(etag) <= MAX_ETAG_LENGTH else None
