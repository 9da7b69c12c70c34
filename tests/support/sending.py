"""Webhooks on a memory store, with a receiver that answers what a test says."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Self

from lading.plugins.capabilities import PostAnswer, SupportsPosting
from lading.plugins.host.guards import GuardedFetcher
from lading.plugins.testing.origin import Request
from lading.service.models import Failure, Import, Status
from lading.service.models.clock import TimeCounter, truncate_to_milliseconds
from lading.service.secrets.vault import Vault
from lading.service.webhooks.delivery.announcer import Announcer
from lading.service.webhooks.delivery.attempt import Attempting
from lading.service.webhooks.delivery.post import Posting
from lading.service.webhooks.delivery.record import DELIVERY, Delivery
from lading.service.webhooks.delivery.schedule import Schedule
from lading.service.webhooks.delivery.sender import Deliverer
from lading.service.webhooks.directory import EndpointDirectory
from lading.service.webhooks.endpoints import Endpoint, Signing, new_endpoint_id
from lading.service.webhooks.outbox import WebhookOutbox
from tests.support.clock import SettableClock
from tests.support.core import ScriptedStore
from tests.support.plugins.scripted import ScriptedFetcher, make_import

KEEP = timedelta(days=7)
FAILURE = Failure("origin_not_found", "It is not there.", retryable=False)


class PostingFetcher(ScriptedFetcher, SupportsPosting):
    """Posts to nobody.

    Attributes:
        answers: what comes next, an error is raised; 200 when none is left.
        posted: every request, with the url as its target.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[PostAnswer | Exception] = []
        self.posted: list[Request] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        self.posted.append(Request("POST", url, {name.lower(): value for name, value in headers.items()}, body))
        answer = self.answers.pop(0) if self.answers else PostAnswer(200)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Sending:
    """All parts of webhooks. Made inside the running event loop.

    Args:
        keys: of the vault.
        concurrency, per_host: of the deliverer.
        counter: by which the store's clock goes on, where it is to be another than ``clock``.
    """

    def __init__(self, *keys: str, concurrency: int = 8, per_host: int = 2, counter: TimeCounter | None = None) -> None:
        self.clock = SettableClock()
        self.store = ScriptedStore(self.clock, counter)
        self.vault = Vault(keys)
        self.fetcher = PostingFetcher()
        self.directory = EndpointDirectory(self.store, 0)
        self.woken: list[str] = []
        self.outbox = WebhookOutbox(self.directory, self.vault, UTC, lambda: self.woken.append("announcer"))
        self.announcer = self.new_announcer()
        guarded = GuardedFetcher(self.fetcher, "scripted", 10)
        rng = random.Random(1)
        self.attempting = Attempting(
            self.store,
            self.vault,
            Posting({"test": guarded}, 5.0),
            Schedule(5, 86400),
            self.clock,
            rng,
            KEEP,
        )
        self.deliverer = Deliverer(
            self.store,
            self.attempting,
            rng,
            concurrency=concurrency,
            per_host=per_host,
            poll_interval=0.05,
            timeout=5.0,
        )

    def new_announcer(self) -> Announcer:
        """One as another process has it."""
        return Announcer(
            self.store,
            EndpointDirectory(self.store, 0),
            self.vault,
            self.clock,
            random.Random(1),
            KEEP,
            0.05,
            lambda: self.woken.append("deliverer"),
        )

    @classmethod
    async def opened(
        cls, *keys: str, concurrency: int = 8, per_host: int = 2, counter: TimeCounter | None = None
    ) -> Self:
        """All parts, the store open."""
        sending = cls(*keys, concurrency=concurrency, per_host=per_host, counter=counter)
        await sending.store.open()
        return sending

    async def endpoint(self, url: str = "test://receiver/hook", *events: str, issuer: str = "issuer") -> Endpoint:
        """A new endpoint."""
        now = truncate_to_milliseconds(self.clock.now())
        sealed = Signing.new().sealed(self.vault)
        endpoint = Endpoint(
            id=new_endpoint_id(),
            issuer_id=issuer,
            url=url,
            events=events or ("*",),
            description="",
            enabled=True,
            disabled_reason=None,
            sealed=sealed,
            created_at=now,
            updated_at=now,
        )
        await self.store.records.add(endpoint.record)
        return endpoint

    async def ended(self, document: Import | None = None) -> Import:
        """An import that fails, written as the worker writes it; as it is stored."""
        before = document or make_import(self.clock, status=Status.RUNNING, worker_id="worker", revision=1)
        await self.store.add(before)
        after = await self.outbox.with_event(before, before.failed(FAILURE, "url", self.clock.now()))
        assert await self.store.update(after)
        self.outbox.written(before, after)
        stored = await self.store.get(after.id)
        assert stored is not None
        return stored

    async def delivery(self, owner: str) -> Delivery:
        """The only delivery of a receiver."""
        (record,) = await self.store.records.list(DELIVERY, owner, 10)
        return Delivery.of(record)

    async def attempt(self, owner: str) -> Delivery:
        """Make one attempt at the only delivery of a receiver, and write it."""
        after = await self.attempting.run(await self.delivery(owner))
        assert await self.store.records.replace(after.record)
        return after

    @property
    def bodies(self) -> list[object]:
        """What was posted, decoded."""
        return [json.loads(request.body) for request in self.fetcher.posted]
