"""Sends items to a service: URLs in batches, files by resumable uploads, several at once."""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .....client import AsyncClient, Import, LadingError, NotFound, TimedOut
from ..connecting import is_of_the_service
from .report import Ended, Report
from .sources import Item, Link, LocalFile

BATCH: Final = 100
"""URLs of a batch."""
LIVES: Final = 20
"""Imports of one file by one command, of which each but the last was cancelled or deleted."""
LEAST_WAIT: Final = 60.0
"""Seconds: the service stores an upload while it answers its last request."""
DELETED: Final = frozenset({"import_deleted", "image_deleted", "upload_gone", "not_found"})
"""Codes of an import of an earlier run that is gone."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends items, and reports how each ends.

    Attributes:
        client: of the service.
        report: is told what happens.
        concurrency: batches and files at once.
        timeout: seconds to wait for the end of an import; 0 not to wait for those of URLs.
        is_anew: whether to import again what an earlier run has imported.
    """

    client: AsyncClient
    report: Report
    concurrency: int
    timeout: float
    is_anew: bool

    async def run(self, items: Iterable[Item]) -> None:
        """Send all of them.

        Raises:
            NotAuthenticated, ServerNotReachable, Unavailable: the service takes no more.
        """
        parcels = _parcels(items)
        salt = secrets.token_hex() if self.is_anew else ""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.concurrency):
                    group.create_task(self._work(parcels, salt))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _work(self, parcels: Iterator[Sequence[Link] | Item], salt: str) -> None:
        for parcel in parcels:
            if isinstance(parcel, LocalFile):
                await self._send_one(parcel, self._imported(parcel, salt))
            elif isinstance(parcel, Link):
                await self._send_one(parcel, self.client.wait(parcel.awaited, timeout=self.timeout, check=False))
            else:
                await self._send_links(parcel, salt)

    async def _send_links(self, links: Sequence[Link], salt: str) -> None:
        params = [link.params for link in links]
        key = _digest(salt, [(link.params, link.after) for link in links])
        missing = dict(enumerate(links))
        outcomes = self.client.import_many(
            params, wait=self.timeout > 0, timeout=self.timeout, batch_size=len(links), idempotency_key=key
        )
        try:
            async for outcome in outcomes:
                link = missing.pop(outcome.index)
                self.report.ended(Ended.of(link, outcome.document, outcome.error, outcome.import_id))
        except LadingError as error:
            if is_of_the_service(error):
                raise
            for link in missing.values():
                self.report.ended(Ended.of(link, None, error))
        finally:
            await outcomes.aclose()

    async def _send_one(self, item: Item, importing: Coroutine[Any, Any, Import]) -> None:
        document: Import | None = None
        error: LadingError | None = None
        try:
            document = await importing
        except TimedOut as late:
            error = late if self.timeout > 0 else None
        except LadingError as problem:
            if is_of_the_service(problem):
                raise
            error = problem
        except (OSError, ValueError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            error = LadingError("file_unreadable", detail=f"The file cannot be read: {reason}.")
        self.report.ended(Ended.of(item, document, error, getattr(item, "awaited", "")))

    async def _imported(self, file: LocalFile, salt: str) -> Import:
        """The import of a file when it has ended: that of an earlier run, or a new one.

        Raises:
            LadingError: the service refuses it.
            OSError: it cannot be read.
        """
        if not file.size:
            file.path.stat()
            raise LadingError("file_empty", detail="The file is empty.")
        key = _digest(salt, str(file.path), file.size, file.changed, file.params, file.after)
        for _ in range(LIVES):
            try:
                document = await self._uploaded(file, key)
                if document.status == "failed" or document.stored is not None:
                    return document
            except NotFound as error:
                if error.code not in DELETED:
                    raise
            key = _digest(key)  # that import was cancelled, or what it stored was deleted
        raise LadingError(
            "import_deleted", detail=f"The file was imported and deleted {LIVES} times today: use --again."
        )

    async def _uploaded(self, file: LocalFile, key: str) -> Import:
        # A name of bytes that are no UTF-8 is one for people all the same.
        name = os.fsencode(file.path.name).decode("utf-8", "replace")
        return await self.client.import_file(
            file.path,
            idempotency_key=key,
            on_progress=lambda upload: self.report.sent(file, upload.offset),
            timeout=max(self.timeout, LEAST_WAIT),
            check=False,
            **{"filename": name, **file.params},
        )


def _digest(*facts: Any) -> str:
    """The Idempotency-Key of a request by its facts: the same command sends the same keys."""
    return f"lading-import-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"


def _parcels(items: Iterable[Item]) -> Iterator[Sequence[Link] | Item]:
    """Files and awaited imports alone, and URLs in groups: the same items give the same groups."""
    links: list[Link] = []
    for item in items:
        if isinstance(item, LocalFile) or item.awaited:
            yield item
            continue
        links.append(item)
        if len(links) == BATCH:
            yield links
            links = []
    if links:
        yield links
