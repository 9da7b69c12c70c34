"""One attempt: fetch, detect, process, save. It knows neither Tornado nor a database.

The document describes the stored object, never bytes that were fetched and not stored (P3, P5): see ``storing``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ....plugins.capabilities import SupportsFiles
from ....plugins.contracts import Fetched, Fetcher, Source, StorageBackend, TypeDetector
from ....plugins.contracts.quick import copied
from ....plugins.errors import (
    DeadlineExceeded,
    DetectError,
    FetchError,
    PluginError,
    ProcessError,
    SourceNotModified,
)
from ....plugins.host.processing import GuardedProcessor
from ....plugins.host.record import enter
from ....plugins.host.schemes import fetcher_for, scheme_of
from ....plugins.host.turns import on_behalf_of
from ...models import Import
from ...observe.metrics.meter import NO_METER, Meter
from ...secrets.vault import Vault
from ...storages.mirror import Mirror
from ...storages.saving import Saving
from ...storages.spool import Spool, Spools
from .duplicates import Duplicates, Sole, source_of
from .expectations import ExpectationFailed, check_expectations
from .looking import EarlyLook, announced_as, recognised
from .outcomes import Outcome, Preview, facts_in, facts_of
from .processing import Processing
from .storing import Storing
from .watching import WatchesFetches

MAX_ETAG_LENGTH = 256
NEXT_IS_TRIED: Final = (FetchError, DetectError, ProcessError, DeadlineExceeded, ExpectationFailed)
"""The errors after which an import with several sources tries the next one."""


class Importer:
    """Runs imports through the configured plugins.

    Args:
        fetchers: by URL scheme.
        detectors: in the order in which Lading asks them.
        storage: keeps the images; ``storage_name`` is its name.
        files: saves files in ``storage``, if the storage takes files.
        routed: finds the storage for the image of an import; None for ``storage`` always.
        spools: keep the bytes between fetch and save.
        mirror: keeps a second copy of each image; None without a mirror.
        vault: decrypts the secrets in the parameters.
        progress: learns how far fetches have come.
        duplicates: finds existing images, for imports with ``dedupe``, and writes documents while they run.
        meter: learns of fetched and stored bytes.
        processors: look at images before the save, in this order; ``max_processed_bytes`` bounds the files they make.
        admit: called before a save with the import, the size in bytes and the group of imports that save the same bytes
            (``group_of``); raises ``PluginError`` to refuse the save.
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
        admit: Callable[[Import, int, str | None], Awaitable[None]] | None = None,
        mirror: Mirror | None = None,
        duplicates: Duplicates | None = None,
        progress: WatchesFetches | None = None,
        files: SupportsFiles | None = None,
        routed: Callable[[Import], Saving] | None = None,
        processors: Sequence[GuardedProcessor] = (),
        max_processed_bytes: int = 0,
        meter: Meter = NO_METER,
    ) -> None:
        self.fetchers = fetchers
        self._detect = partial(recognised, detectors)
        self._early = EarlyLook(detectors)
        self._storage = storage
        saving = Saving(storage, storage_name, files)
        self._spools = spools
        self._vault = vault
        self._duplicates = duplicates
        self._progress = progress
        self._processing = Processing(processors, spools, self._detect, max_processed_bytes)
        self.meter = meter
        self._storing = Storing(
            detect=self._detect,
            spools=spools,
            routed=routed or (lambda _document: saving),
            mirror=mirror,
            admit=admit,
            duplicates=duplicates,
            meter=meter,
        )

    @property
    def has_processors(self) -> bool:
        """Whether the stored bytes may be others than those that come."""
        return bool(self._processing.processors)

    def check(self, source: Source) -> None:
        """Refuse, without I/O, a source that can never be fetched.

        Raises:
            SourceRefused: with the reason.
        """
        fetcher_for(self.fetchers, source.url).check(source)

    def import_type(self, url: str) -> str | None:
        """The kind of the fetcher that serves the url, or None if none does."""
        fetcher = self.fetchers.get(scheme_of(url))
        return fetcher.kind if fetcher else None

    async def ping_storage(self) -> None:
        """Check that the storage accepts saves.

        Raises:
            PluginError: it does not.
        """
        await self._storage.ping()

    def sole(self, outcome: Outcome) -> Sole | None:
        """See ``Duplicates.sole``."""
        return None if self._duplicates is None else self._duplicates.sole(outcome)

    def has_left(self, import_id: str) -> bool:
        """Whether storage may hold an object of an ended attempt at the import: the attempt began a save. This call
        forgets the answer; who asks must remember it until the result of the attempt is written.
        """
        has_left = import_id in self._storing.begun
        self._storing.begun.discard(import_id)
        return has_left

    async def run(self, document: Import) -> Outcome:
        """One attempt: when this returns, storage holds exactly the image of the outcome.

        However this ends, ``has_left`` says whether storage may hold an object.

        Raises:
            PluginError: the attempt failed.
            TakenOver: another attempt owns the import by now.
            SecretsUnreadable: no configured key decrypts the secrets in the parameters.
            ValueError: the import has no url.
        """
        if document.url is None:
            raise ValueError(f"import {document.id} has no url")
        failures: list[PluginError] = []
        for source in self._vault.sources(document):
            try:
                with on_behalf_of(document.issuer_id):
                    return await self._from(document, source)
            except NEXT_IS_TRIED as error:
                failures.append(error)
        raise next((error for error in failures if error.retryable), failures[0])

    async def preview(self, document: Import, sources: Sequence[Source], begins: Callable[[Source], None]) -> Preview:
        """An attempt that stores nothing. ``begins`` is called with each source before its fetch.

        Raises:
            PluginError: the import would fail.
        """
        failures: list[PluginError] = []
        for source in sources:
            begins(source)
            fetcher = fetcher_for(self.fetchers, source.url)
            try:
                with on_behalf_of(document.issuer_id), self._spools.open() as spool:
                    async with fetcher.open(source) as fetched:
                        enter("body")
                        with announced_as(fetched.content_type):
                            await self._early.fill(spool, fetched.chunks)
                    enter("detect")
                    with announced_as(fetched.content_type):
                        info = await self._detect(spool)
                    check_expectations(document.params.get("expect"), facts_of(info, spool))
                    filename = document.filename or fetched.filename
                    async with self._processing.run(document, spool, info, filename) as ready:
                        return Preview.of(ready, source, fetcher.kind)
            except NEXT_IS_TRIED as error:
                failures.append(error)
        raise next((error for error in failures if error.retryable), failures[0])

    async def _from(self, document: Import, source: Source) -> Outcome:
        """One attempt with one source."""
        fetcher = fetcher_for(self.fetchers, source.url)
        # With processors, "not modified" says nothing: an image may have been stored before they were configured, and
        # a scanner learns.
        origin = None if self.has_processors else source_of(source.url, source.headers)
        known = await self._duplicates.by_source(document, origin) if self._duplicates is not None else None
        if known is not None:
            try:
                return await self._fetched(document, copied(source, if_none_match=known.image.etag), fetcher, origin)
            except SourceNotModified:
                check_expectations(document.params.get("expect"), facts_in(known.image))
            document = document if self._duplicates is None else await self._duplicates.refer(document, known)
            if document.duplicate is not None:
                return Outcome(document.duplicate, fetcher.kind, document)
        return await self._fetched(document, source, fetcher, origin)

    async def _fetched(self, document: Import, source: Source, fetcher: Fetcher, origin: str | None) -> Outcome:
        """Fetch a source and save its image.

        Raises:
            SourceNotModified: the origin still has the version that ``if_none_match`` names.
        """
        with self._spools.open() as spool:
            async with fetcher.open(source) as fetched:
                enter("body")
                with announced_as(fetched.content_type):
                    await self._fill(spool, document, fetched, fetcher.kind)
                filename = document.filename or fetched.filename
            with announced_as(fetched.content_type):
                outcome = await self.keep(document, spool, filename, fetcher.kind)
            is_fetched = outcome.image.sha256 == spool.sha256  # and not the object of an earlier attempt
        if outcome.is_duplicate or not is_fetched or origin is None:
            return outcome
        return copied(outcome, image=copied(outcome.image, etag=_short(fetched.etag), source=origin))

    async def _fill(self, spool: Spool, document: Import, fetched: Fetched, kind: str) -> None:
        if self._progress is not None:
            self._progress.begin(document.id, spool, fetched.content_length)
        try:
            await self._early.fill(spool, fetched.chunks)
        finally:
            self.meter.fetched(kind, spool.byte_size)
            if self._progress is not None:
                self._progress.end(document.id)

    async def keep(self, document: Import, spool: Spool, filename: str | None, kind: str) -> Outcome:
        """Detect and process the content of the spool, and save it: storage then holds exactly the returned image.

        Raises:
            PluginError: the image is not allowed or not as expected, or a processor or the storage refuses it.
            TakenOver: another attempt owns the import by now.
        """
        with on_behalf_of(document.issuer_id):
            return await self._kept(document, spool, filename, kind)

    async def _kept(self, document: Import, spool: Spool, filename: str | None, kind: str) -> Outcome:
        enter("detect")
        info = await self._detect(spool)
        if (expected := document.params.get("expect")) is not None:
            check_expectations(expected, facts_of(info, spool))
        async with self._processing.run(document, spool, info, filename) as ready:
            if self._duplicates is not None:
                document = await self._duplicates.shared(document, ready.spool.sha256)
                if document.duplicate is not None:
                    return Outcome(ready.described(document.duplicate), kind, document)
            image, document = await self._storing.store(document, ready, filename)
            return Outcome(image, kind, document)


def _short(etag: str | None) -> str | None:
    """The entity tag, if it is strong and short enough to keep."""
    return etag if etag is not None and len(etag) <= MAX_ETAG_LENGTH else None
