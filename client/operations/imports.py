"""One import: create, show, wait, list, retry, cancel, delete, try, explain."""

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Unpack

from ..core import Core, document_of, json_body, segment
from ..documents import Album, Preflight, Trace
from ..errors import TimedOut
from ..models import Import
from ..results import ImportParams
from ..steps import Operation, Pause, Request, Stream

JSON: Final = {"Content-Type": "application/json"}
LONGEST_WAIT: Final = 20.0
"""Seconds of a single request that waits: less than proxies allow."""
MARGIN: Final = 30.0
"""Seconds by which an answer may come later than the end of its wait."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 2.0


class ImportOperations(Core):
    """The operations on imports. ``Client`` returns the results, ``AsyncClient`` awaits them."""

    __slots__ = ()

    def import_url(
        self,
        url: str | Sequence[str],
        *,
        wait: float | None = None,
        check: bool = True,
        idempotency_key: str | None = None,
        **params: Unpack[ImportParams],
    ) -> Operation[Import]:
        """Import an image by its URL.

        Args:
            url: of the image; several are mirrors, of which the first good one counts.
            wait: seconds to wait for the end of the import; None to return as soon as the service has accepted it.
            check: whether a failed import raises ``ImportFailed``; otherwise it is returned.
            idempotency_key: the same key and parameters give the same import for a day, however often they are sent.
                Without one the client makes a key for its own retries.
            **params: see ``ImportParams``.

        Raises:
            ValidationFailed, PermissionDenied, RateLimited, Unavailable, ServerNotReachable: the service did not accept
                the import, or nobody knows.
            ImportFailed: it ended without an image.
            TimedOut: it has not ended within ``wait``.
        """
        until = self.clock() + (wait or 0)
        sent = {**params, "url": url if isinstance(url, str) else list(url)}
        headers = {**JSON, "Idempotency-Key": idempotency_key or str(uuid.uuid4()), **_prefer(wait or 0)}
        timeout = None if not wait else min(wait, LONGEST_WAIT) + MARGIN
        request = Request(
            "POST", "/api/v1/imports", headers=headers, body=json_body(sent), timeout=timeout, is_repeatable=True
        )
        document = yield from self.document(request, Import)
        if wait is None:
            return document
        if not document.is_final:
            document = yield from self.wait(document, timeout=until - self.clock(), check=False)
        return document.checked() if check else document

    def get_import(self, import_id: str) -> Operation[Import]:
        """An import as it is now.

        Raises:
            NotFound: the token's organisation has no such import.
        """
        document, _ = yield from self._shown(import_id, 0)
        return document

    def wait(self, import_: Import | str, *, timeout: float = 300.0, check: bool = True) -> Operation[Import]:
        """Wait until an import has ended.

        Args:
            import_: the import, or its id.
            timeout: seconds at most.
            check: whether a failed import raises ``ImportFailed``; otherwise it is returned.

        Raises:
            ImportFailed: the import ended without an image.
            TimedOut: it has not ended in time. It goes on, and may be waited for again.
            NotFound: the token's organisation has no such import.
        """
        import_id = import_ if isinstance(import_, str) else import_.id
        until = self.clock() + timeout
        pause = FIRST_PAUSE
        while True:
            left = until - self.clock()
            document, has_waited = yield from self._shown(import_id, min(left, LONGEST_WAIT))
            if document.is_final:
                return document.checked() if check else document
            left = until - self.clock()
            if left <= 0:
                raise TimedOut(f"Import {import_id} is still {document.status} after {timeout:g} seconds.")
            if not has_waited:  # it has too many that wait
                yield Pause(min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)

    def iter_imports(
        self,
        *,
        album_id: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        batch_id: str | None = None,
        page_size: int = 200,
    ) -> Stream[Import]:
        """The imports that the token may list, the newest first. Pages are fetched as they are needed.

        Args:
            album_id: of this album; without it of all albums that the token may list.
            status: in this state.
            created_after: made after this moment, which has a time zone.
            created_before: made before this moment, which has a time zone.
            metadata: one name with its value.
            batch_id: of this batch.
            page_size: imports of a page, 200 at most.

        Raises:
            PermissionDenied: the token may not list.
            ValidationFailed: a filter is malformed.
        """
        query = {
            "album_id": album_id,
            "status": status,
            "created_after": None if created_after is None else created_after.isoformat(),
            "created_before": None if created_before is None else created_before.isoformat(),
            **{f"metadata[{name}]": value for name, value in (metadata or {}).items()},
            "batch_id": batch_id,
            "limit": str(page_size),
        }
        yield from self.pages("/api/v1/imports", query, "imports", Import.of)

    def iter_albums(self, *, page_size: int = 50) -> Stream[Album]:
        """The albums that have imports and that the token may list, by their ids.

        Args:
            page_size: albums of a page, 200 at most.

        Raises:
            PermissionDenied: the token may not list.
        """
        yield from self.pages("/api/v1/albums", {"limit": str(page_size)}, "albums", Album.of)

    def retry_import(self, import_id: str) -> Operation[Import]:
        """Queue a failed or cancelled import again.

        Raises:
            Conflict: it is not retryable now.
            ServerNotReachable: with ``was_sent``, it may have been queued: look at the import.
        """
        return (yield from self.document(_acting(import_id, "retry"), Import))

    def cancel_import(self, import_id: str) -> Operation[Import]:
        """Cancel an import that has not ended. A cancelled import stays as it is.

        Raises:
            Conflict: it is done or failed.
        """
        return (yield from self.document(_acting(import_id, "cancel", is_repeatable=True), Import))

    def delete_import(self, import_id: str) -> Operation[bool]:
        """Delete an import, its image and the bytes.

        Returns:
            whether all is gone; False while an attempt still runs, whose bytes go when it has ended.

        Raises:
            NotFound: the token's organisation has no such import.
        """
        path = f"/api/v1/imports/{segment(import_id)}"
        reply = yield from self.exchange(Request("DELETE", path, settled=frozenset({404})))
        return reply.head.status != 202  # noqa: PLR2004  # Accepted

    def preflight(self, url: str | Sequence[str], **params: Unpack[ImportParams]) -> Operation[Preflight]:
        """Try an import without storing anything, and say how it would end.

        Raises:
            ValidationFailed: a parameter is malformed.
        """
        sent = {**params, "url": url if isinstance(url, str) else list(url)}
        request = Request(
            "POST",
            "/api/v1/imports/preflight",
            headers=JSON,
            body=json_body(sent),
            timeout=4 * MARGIN,  # the fetch itself may take a minute
            is_repeatable=True,
        )
        return (yield from self.document(request, Preflight))

    def trace(self, import_id: str) -> Operation[Trace]:
        """The attempts at an import: phases, redirects, errors with hints.

        Raises:
            NotFound: the token's organisation has no such import.
        """
        return (yield from self.document(Request("GET", f"/api/v1/imports/{segment(import_id)}/trace"), Trace))

    def _shown(self, import_id: str, seconds: float) -> Operation[tuple[Import, bool]]:
        """An import, after the service has waited for its end; and whether it has waited."""
        path = f"/api/v1/imports/{segment(import_id)}"
        request = Request("GET", path, headers=_prefer(seconds), timeout=max(0.0, seconds) + MARGIN)
        reply = yield from self.exchange(request)
        return document_of(reply, Import), "preference-applied" in reply.head.headers


def _prefer(seconds: float) -> Mapping[str, str]:
    """The header field that asks the service to wait (RFC 7240 section 4.3)."""
    whole = math.floor(min(seconds, LONGEST_WAIT))
    return {"Prefer": f"wait={whole}"} if whole > 0 else {}


def _acting(import_id: str, action: str, *, is_repeatable: bool = False) -> Request:
    return Request(
        "POST",
        f"/api/v1/imports/{segment(import_id)}/{action}",
        headers={"Idempotency-Key": str(uuid.uuid4())},
        is_repeatable=is_repeatable,
    )
