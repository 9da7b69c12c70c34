"""The handlers below ``/admin/``: the queue, the pauses and the workers as JSON, for operators' tools.

There are no tokens, so a browser of somebody who reaches the listener must be of no use to the pages of strangers:

- No page writes. Browsers send ``Origin`` with every POST (Fetch, section 3.2), even a page whose name was bound to
  this address after it was loaded; tools do not. A POST that has it is refused. A POST needs the type
  ``application/json``, which no form sends.
- No page reads. Answers have no CORS headers. ``Host`` must be an address or a known name, which the name of a stranger
  is not (DNS rebinding).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from ...documents import TooManyRecords
from ...errors.catalogue import ApiError
from ...errors.database import told_as_outage
from ...errors.params import ParamsError
from ...errors.queries import refuse_unknown
from ...imports.bulk import Act, Bulk, Narrowing
from ...imports.fleet import fleet
from ...imports.overview import failures, overview
from ...models import Status
from ...models.clock import Clock, moment_before, truncate_to_milliseconds
from ...observe.audit.actions import Action
from ...observe.audit.recording import Event, asking_operator, recorded
from ...work.orders.crew import Crew, Member, UnknownWorker, is_worker_id
from ...work.orders.pauses import MOST, Pause, Pauses
from ..params import ParamLimits, Params, parse_json, parse_query
from ..params.body import media_type_of
from .handlers import AdminHandler
from .parameters import CODE, DRY_RUN, HOST, ISSUER, LIMIT, NARROWING, SINCE, read
from .parameters import MOST as MOST_TOLD

JSON_TYPE: Final = "application/json"
GROUPS: Final = 100
"""Groups in an answer, unless ``limit`` says otherwise."""
ACTED: Final = MOST_TOLD
"""Imports that one request retries or cancels, unless ``limit`` says fewer."""
DAY: Final = timedelta(days=1)
_LIMITS: Final = ParamLimits(depth=2, pairs=20)


@dataclass(frozen=True, slots=True)
class Operations:
    """What the handlers work with.

    Attributes:
        bulk: the documents, and what is done to many imports.
        hosts: names by which tools may reach the listener, in lower case.
        acting: held by the request that acts on many imports: there is one at a time.
    """

    bulk: Bulk
    clock: Clock
    hosts: Collection[str]
    acting: asyncio.Lock = field(default_factory=asyncio.Lock)


def is_own_name(host: str, names: Collection[str]) -> bool:
    """Whether the value of ``Host`` is an address, or a name that no stranger can have.

    A stranger can have any public domain, and let it resolve to this machine; but no name without a dot, and none
    below ``localhost`` (RFC 6761 section 6.3).
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(".localhost") or name in names)
    return True


class OperationHandler(AdminHandler):
    """Base of the handlers below ``/admin/``."""

    resource: Operations

    def prepare(self) -> None:
        """Refuse what may come from a web page.

        Raises:
            ApiError: ``request_body_too_large``, ``host_unknown``, ``browser_refused`` or ``unsupported_media_type``.
        """
        super().prepare()
        headers = self.request.headers
        if not is_own_name(headers.get("Host", ""), self.resource.hosts):
            raise ApiError("host_unknown")
        if self.request.method == "POST":
            if "Origin" in headers:
                raise ApiError("browser_refused")
            if media_type_of(headers.get("Content-Type", "")) != JSON_TYPE:
                text = f"The Content-Type must be {JSON_TYPE}."
                raise ApiError.of("unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)

    def wish(self, *known: str) -> Mapping[str, Any]:
        """The parameters of the request: of the query string of a GET, of the JSON body of a POST.

        Raises:
            ApiError: they cannot be read, or one is unknown or invalid.
        """
        try:
            params: Params = parse_query(self.request.query, _LIMITS)
            if self.request.method == "POST":
                refuse_unknown(params, (), "the query string of a POST")
                body = self.body()
                params = parse_json(body, _LIMITS) if body else {}
        except ParamsError as error:
            raise ApiError.of(error.code, error.status, error.detail, parameter=error.parameter) from error
        return read(params, known)

    def recorded(self, action: Action, **of: str | None) -> AbstractContextManager[Event]:
        """See ``recorded``, of which whoever asks is the actor."""
        return recorded(action, asking_operator(self.request.remote_ip or ""), **of)

    def narrowing(self, wish: Mapping[str, Any], default: timedelta | None = None) -> Narrowing:
        """Which imports are meant."""
        return Narrowing.of(wish.get(ISSUER), wish.get(HOST), wish.get(CODE), wish.get(SINCE, default))


class QueueHandler(OperationHandler):
    """The queue."""

    async def get(self) -> None:
        """200: pauses, states and groups, as ``lading queue --json`` prints them."""
        wish = self.wish(SINCE, LIMIT)
        store, clock = self.resource.bulk.store, self.resource.clock
        with told_as_outage():
            found = await overview(store, clock, moment_before(clock.now(), wish.get(SINCE, DAY)))
        body = found.as_json()
        groups, limit = body.pop("groups"), wish.get(LIMIT, GROUPS)
        self.answer(HTTPStatus.OK, {**body, "groups": groups[:limit], "more_groups": max(0, len(groups) - limit)})


class FailuresHandler(OperationHandler):
    """Why imports fail."""

    async def get(self) -> None:
        """200: failed imports by code and host, as ``lading queue failures --json`` prints them."""
        wish = self.wish(*NARROWING, LIMIT)
        wanted = self.narrowing(wish, DAY).selection(Status.FAILED)
        with told_as_outage():
            found, is_whole = await failures(self.resource.bulk.store, wanted)
        limit = wish.get(LIMIT, GROUPS)
        shown = [one.as_json() for one in found[:limit]]
        left = max(0, len(found) - limit)
        self.answer(HTTPStatus.OK, {"failures": shown, "more_failures": left, "is_whole": is_whole})


class ActHandler(OperationHandler):
    """Base of what acts on many imports."""

    act: ClassVar[Act]
    action: ClassVar[Action]

    async def post(self) -> None:
        """200: how many imports were found, written and refused."""
        wish = self.wish(*NARROWING, LIMIT, DRY_RUN)
        bulk, limit = self.resource.bulk, wish.get(LIMIT, ACTED)
        narrowing = self.narrowing(wish)
        async with self.resource.acting:
            with told_as_outage():
                chosen = await bulk.choose(self.act, narrowing.selection, limit)
            states = Counter(one.status.value for one in chosen)
            found = {"found": len(chosen), "more": len(chosen) == limit, "states": states}
            if wish.get(DRY_RUN, False):
                self.answer(HTTPStatus.OK, found)
                return
            with self.recorded(self.action, **narrowing.object) as event:
                tally = await bulk.run(self.act, chosen, lambda _: None)
                event.facts["imports"] = tally.done
                event.is_void = not chosen
        left = len(chosen) - tally.done - sum(tally.refused.values())
        self.answer(HTTPStatus.OK, {**found, "done": tally.done, "refused": tally.refused, "left": left})


class RetryHandler(ActHandler):
    """Retry failed imports."""

    act = Act.RETRY
    action = Action.QUEUE_RETRIED


class CancelHandler(ActHandler):
    """Cancel imports that are queued, running or waiting."""

    act = Act.CANCEL
    action = Action.QUEUE_CANCELLED


class _OnPauses(OperationHandler):
    """Base of what answers with the pauses."""

    async def answer_pauses(self, more: dict[str, Any]) -> None:
        """Finish with every pause."""
        with told_as_outage():
            found = await Pauses(self.resource.bulk.store).all()
        self.answer(HTTPStatus.OK, {**more, "pauses": [one.as_json() for one in found]})

    def pause(self) -> Pause:
        """The pause that the request names: of everything, if it names none.

        Raises:
            ApiError: see ``wish``; or it names an issuer and a host.
        """
        wish = self.wish(ISSUER, HOST)
        if ISSUER in wish and HOST in wish:
            raise ApiError("parameter_invalid", parameter=HOST, reason="stands beside issuer_id; pause each by itself")
        return Pause(wish.get(ISSUER), wish.get(HOST))


class PausesHandler(_OnPauses):
    """The pauses."""

    async def get(self) -> None:
        """200: every pause."""
        self.wish()
        await self.answer_pauses({})


class PauseHandler(_OnPauses):
    """Let no more imports begin."""

    async def post(self) -> None:
        """200: every pause, and whether this one is new."""
        pause, now = self.pause(), truncate_to_milliseconds(self.resource.clock.now())
        of = {"issuer_id": pause.issuer_id, "host": pause.host}
        with self.recorded(Action.QUEUE_PAUSED, **of), told_as_outage():
            try:
                is_new = await Pauses(self.resource.bulk.store).add(pause, now)
            except TooManyRecords as error:
                raise ApiError("pauses_full", limit=MOST) from error
        await self.answer_pauses({"changed": is_new})


class ResumeHandler(_OnPauses):
    """End a pause."""

    async def post(self) -> None:
        """200: the pauses that remain, and whether there was this one."""
        pause = self.pause()
        of = {"issuer_id": pause.issuer_id, "host": pause.host}
        with self.recorded(Action.QUEUE_RESUMED, **of), told_as_outage():
            was_paused = await Pauses(self.resource.bulk.store).lift(pause)
        await self.answer_pauses({"changed": was_paused})


class WorkersHandler(OperationHandler):
    """The workers."""

    async def get(self) -> None:
        """200: every worker that is alive, as ``lading workers --json`` prints them."""
        self.wish()
        with told_as_outage():
            found = await fleet(self.resource.bulk.store, self.resource.clock)
        self.answer(HTTPStatus.OK, found.as_json())


class _OnWorker(OperationHandler):
    """Base of what is done to a worker."""

    async def give(self, action: Action, worker_id: str, order: Callable[[Crew], Awaitable[Member]]) -> None:
        """Finish with the state of the worker."""
        self.wish()
        if not is_worker_id(worker_id):  # it would be a line of any length in the audit log
            raise ApiError("worker_unknown")
        crew = Crew(self.resource.bulk.store)
        with self.recorded(action, worker_id=worker_id), told_as_outage():
            try:
                found = await order(crew)
            except UnknownWorker as error:
                raise ApiError("worker_unknown", internal=str(error)) from error
        self.answer(HTTPStatus.OK, {"id": worker_id, "state": found.state.value})


class DrainHandler(_OnWorker):
    """Let a worker begin no more imports."""

    async def post(self, worker_id: str) -> None:
        """200: the state of the worker."""
        now = truncate_to_milliseconds(self.resource.clock.now())
        await self.give(Action.WORKER_DRAINED, worker_id, lambda crew: crew.drain(worker_id, now))


class ReleaseHandler(_OnWorker):
    """Let a drained worker begin imports again."""

    async def post(self, worker_id: str) -> None:
        """200: the state of the worker."""
        await self.give(Action.WORKER_RESUMED, worker_id, lambda crew: crew.resume(worker_id))
