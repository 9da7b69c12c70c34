"""Preflight: tries an import up to the point of storing it, and keeps nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from ...plugins.capabilities import Finding
from ...plugins.contracts import Source
from ...plugins.errors import DeadlineExceeded, PluginError
from ...plugins.host.record import tracing
from ...plugins.host.schemes import fetcher_for
from ...plugins.host.turns import on_behalf_of
from ...plugins.net.origins import sources_of
from ..errors.catalogue import ApiError
from ..errors.database import told_as_outage
from ..models import Import
from ..models.grants import Grant
from ..models.redaction import filtered_url
from ..observe.traces import hint_of
from ..work.pipeline.duplicates import Duplicates, source_of
from ..work.pipeline.importer import NEXT_IS_TRIED, Importer
from ..work.pipeline.outcomes import Preview
from .accept import Imports
from .neutral_findings import MAX_FINDINGS, neutral

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Preflight:
    """Tries imports.

    Attributes:
        storage: the name of the storage for the image of an import.
        seconds: the longest duration of a try.
    """

    imports: Imports
    importer: Importer
    duplicates: Duplicates
    storage: Callable[[Import], str]
    seconds: float

    async def judge(self, grant: Grant, params: Mapping[str, Any]) -> dict[str, Any]:
        """The probable result of an import with these parameters.

        Lading fetches nothing that the token does not grant, so that a stranger learns nothing about what the service
        can reach.

        Raises:
            ApiError: ``parameter_invalid`` and the like; ``documents_unavailable``.
        """
        with on_behalf_of(grant.issuer_id):
            return await self._judge(grant, params)

    async def _judge(self, grant: Grant, params: Mapping[str, Any]) -> dict[str, Any]:
        verdict: dict[str, Any] = {
            "would_succeed": False,
            "grant": {"ability": "image_upload", "album_id": params.get("album_id"), "allowed": True},
            "findings": [],
            "final_url": None,
            "image": None,
            "duplicates": [],
            "plugins": None,
            "error": None,
            "mirrors": [],
        }
        try:
            document = await self.imports.prepared(grant, params)
        except ApiError as error:
            if error.code == "parameter_invalid":
                raise
            verdict["grant"]["allowed"] = error.code != "forbidden"
            verdict["error"] = _told(error.code, error.detail)
            if verdict["grant"]["allowed"] and params.get("url"):
                trials = await asyncio.gather(*(self._judged(source) for source in _sources(grant, params)))
                _log_refusals(trials)
                verdict |= {"findings": trials[0].findings, "mirrors": [trial.document for trial in trials]}
            return verdict
        if document.url is None:
            raise ApiError("parameter_invalid", parameter="url", reason="is needed: there is nothing to look at")
        trials = [_Trial(source) for source in _sources(grant, params)]
        await asyncio.gather(*(self._try(document, trial) for trial in trials))
        _log_refusals(trials)
        decisive = _decisive(trials)
        verdict |= {
            "findings": trials[0].findings,
            "final_url": decisive.final_url,
            "error": decisive.told,
            "mirrors": [trial.document for trial in trials],
        }
        if decisive.found is not None:
            await self._succeeds(grant, document, decisive.found, verdict)
        return verdict

    async def _succeeds(self, grant: Grant, document: Import, found: Preview, verdict: dict[str, Any]) -> None:
        verdict["plugins"] = {"fetcher": found.fetcher, "storage": self.storage(document)}
        verdict["image"] = found.facts
        if found.processors:
            verdict["plugins"]["processors"] = list(found.processors)
        # A token for one album must not reveal images of other albums.
        scope = "organization" if grant.admin else "album"
        wanted = replace(
            document, params={**document.params, "dedupe": scope if grant.admin or document.album_id else "off"}
        )
        with told_as_outage():
            same = [await self.duplicates.by_bytes(wanted, found.facts["sha256"])]
            if not self.importer.has_processors:
                origin = source_of(found.source.url, found.source.headers)
                same.append(await self.duplicates.by_source(wanted, origin))
        verdict["duplicates"] = sorted({one.image_id for one in same if one is not None})
        verdict["would_succeed"] = True

    async def _judged(self, source: Source) -> "_Trial":
        """The facts about a source that need no request."""
        trial = _Trial(source)
        try:
            self.importer.check(source)
        except PluginError as error:
            trial.error = error
        await self._explain(trial)
        return trial

    async def _try(self, document: Import, trial: "_Trial") -> None:
        """Try one source, within its time."""
        try:
            async with asyncio.timeout(self.seconds):
                with tracing(explain=True) as trace:
                    try:
                        trial.found = await self.importer.preview(document, [trial.source], lambda _: None)
                    finally:
                        # The fetch explains itself: a second request may fail, or tell the secrets twice.
                        trial.found_out = list(trace.findings or ())
                        last = [filtered_url(trial.source.url), *trace.redirects][-1]
                        trial.final_url = last if len(last) <= MAX_URL else None
        except PluginError as error:
            trial.error = error
        except TimeoutError:
            trial.error = DeadlineExceeded("the preflight")
        if not trial.found_out:
            await self._explain(trial)

    async def _explain(self, trial: "_Trial") -> None:
        """The verdicts that need no request, as ``lading fetch explain`` shows them; nothing if the fetcher cannot
        explain.
        """
        with suppress(PluginError, TimeoutError):  # the attempt itself reports it
            explainer = getattr(fetcher_for(self.importer.fetchers, trial.source.url), "explainer", None)
            if explainer is None:
                return
            async with asyncio.timeout(self.seconds):
                async for one in explainer.explain(trial.source, follow=False):
                    if len(trial.found_out) < MAX_FINDINGS:
                        trial.found_out.append(one)


@dataclass(slots=True)
class _Trial:
    """One source, and the facts about it.

    Attributes:
        final_url: the end of its redirects; None if that is unknown.
        found_out: the fetcher's verdicts, for the log alone; a client reads ``findings``.
        found: the image, if there is one.
        error: the error with which the import would fail.
    """

    source: Source
    found_out: list[Finding] = field(default_factory=list)
    final_url: str | None = None
    found: Preview | None = None
    error: PluginError | None = None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The verdicts as a client reads them."""
        return neutral(self.found_out)

    @property
    def told(self) -> dict[str, str | None] | None:
        """The error as a client sees it."""
        return None if self.error is None else _told(self.error.code, self.error.detail)

    @property
    def document(self) -> dict[str, Any]:
        """The source as JSON."""
        url = filtered_url(self.source.url)
        return {
            "url": url if len(url) <= MAX_URL else None,
            "would_succeed": self.found is not None,
            "final_url": self.final_url,
            "findings": self.findings,
            "image": None if self.found is None else self.found.facts,
            "error": self.told,
        }


def _log_refusals(trials: Sequence[_Trial]) -> None:
    """Tell the operator the rules and addresses that no client reads."""
    for trial in trials:
        if trial.error is not None:
            refused = [f"{one.subject}: {one.rule}" for one in trial.found_out if not one.allowed]
            log.info(
                "preflight refused",
                code=trial.error.code,
                plugin=trial.error.plugin,
                reason=trial.error.internal or None,
                refused=refused or None,
            )


def _decisive(trials: list[_Trial]) -> _Trial:
    """The source that decides the result of the import: see ``Importer.run``."""
    for trial in trials:
        if trial.found is not None or not isinstance(trial.error, NEXT_IS_TRIED):
            return trial
    return next((trial for trial in trials if trial.error is not None and trial.error.retryable), trials[0])


MAX_URL: Final = 2048


def _sources(grant: Grant, params: Mapping[str, Any]) -> Sequence[Source]:
    urls: list[str] = params["url"] if isinstance(params["url"], list) else [params["url"]]
    whose = (grant.organization_id, grant.issuer_id, params.get("album_id"))
    return sources_of(urls, params.get("headers") or {}, *whose)


def _told(code: str, detail: str) -> dict[str, str | None]:
    return {"code": code, "detail": detail, "hint": hint_of(code)}
