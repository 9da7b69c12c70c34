"""Would this import succeed? It is tried, up to where it would be stored. Nothing is kept of it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from plugins.contracts import Source
from plugins.errors import DeadlineExceeded, PluginError
from plugins.tracing import tracing
from service.auth import Grant
from service.dedupe import source_of
from service.duplicates import Duplicates
from service.errors import ApiError
from service.importer import Importer
from service.imports import Imports
from service.models import Import
from service.redaction import filtered_url
from service.sources import fetcher_for
from service.tracing import hint_of

MAX_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Preflight:
    """Tries imports.

    Attributes:
        seconds: how long that may take.
    """

    imports: Imports
    importer: Importer
    duplicates: Duplicates
    storage: str
    seconds: float

    async def judge(self, grant: Grant, params: Mapping[str, Any]) -> dict[str, Any]:
        """What would become of an import with these parameters.

        What the token does not grant is not fetched: a stranger learns nothing of what the service can reach.

        Raises:
            ApiError: ``parameter_invalid`` and the like; ``documents_unavailable``.
        """
        verdict: dict[str, Any] = {
            "would_succeed": False,
            "grant": {"ability": "image_upload", "album_id": params.get("album_id"), "allowed": True},
            "findings": [],
            "final_url": None,
            "image": None,
            "duplicates": [],
            "plugins": None,
            "error": None,
        }
        try:
            document = await self.imports.prepared(grant, params)
        except ApiError as error:
            if error.code == "parameter_invalid":
                raise
            verdict["grant"]["allowed"] = error.code != "forbidden"
            verdict["error"] = _told(error.code, error.detail)
            return verdict
        if document.url is None:
            raise ApiError("parameter_invalid", parameter="url", reason="is needed: there is nothing to look at")
        sources = _sources(params)
        try:
            async with asyncio.timeout(self.seconds):
                verdict["findings"] = await self._findings(sources[0])
                await self._try(grant, document, sources, verdict)
        except PluginError as error:
            verdict["error"] = _told(error.code, error.detail)
        except TimeoutError:
            verdict["error"] = _told(DeadlineExceeded.code, DeadlineExceeded.public_text)
        return verdict

    async def _try(self, grant: Grant, document: Import, sources: list[Source], verdict: dict[str, Any]) -> None:
        with tracing() as trace:
            ways = [(sources[0], 0)]  # each source that was tried, and how many redirects were before it
            try:
                found = await self.importer.preview(
                    document, sources, lambda source: ways.append((source, len(trace.redirects)))
                )
            finally:
                source, before = ways[-1]
                last = [filtered_url(source.url), *trace.redirects[before:]][-1]
                verdict["final_url"] = last if len(last) <= MAX_URL else None
        verdict["plugins"] = {"fetcher": found.fetcher, "storage": self.storage}
        verdict["image"] = found.facts
        # Who may upload to one album learns nothing of what is in others.
        scope = "organization" if grant.admin else "album"
        wanted = replace(
            document, params={**document.params, "dedupe": scope if grant.admin or document.album_id else "off"}
        )
        same = [
            await self.duplicates.by_bytes(wanted, found.facts["sha256"]),
            await self.duplicates.by_source(wanted, source_of(found.source.url, found.source.headers)),
        ]
        verdict["duplicates"] = sorted({one.image_id for one in same if one is not None})
        verdict["would_succeed"] = True

    async def _findings(self, source: Source) -> list[dict[str, Any]]:
        """What the fetcher judges of each hop, by the way of ``lading fetch explain``; empty where it cannot say."""
        explainer = getattr(fetcher_for(self.importer.fetchers, source.url), "explainer", None)
        findings: list[dict[str, Any]] = []
        if explainer is None:
            return findings
        with suppress(PluginError):  # which the attempt itself tells of
            async for one in explainer.explain(source, follow=True):
                if len(findings) < MAX_FINDINGS:
                    findings.append(asdict(one))
        return findings


MAX_URL: Final = 2048


def _sources(params: Mapping[str, Any]) -> list[Source]:
    urls = params["url"] if isinstance(params["url"], list) else [params["url"]]
    return [Source(url, params.get("headers") or {}) for url in urls]


def _told(code: str, detail: str) -> dict[str, str | None]:
    return {"code": code, "detail": detail, "hint": hint_of(code)}
