"""Where images come from and where events go: an origin that is good, slow, broken or away, and a receiver."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

from lading.plugins.testing.images import jpeg, noise_jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer, head
from tests.chaos.audit.ledger import Received

LARGE = [noise_jpeg(kilobytes, seed) for seed, kilobytes in enumerate((40, 150, 400))]
"""Too large for memory, by the configuration of the rig: they go through the spool's folder."""
SMALL = [jpeg(40, 30, seed) for seed in range(20)]
IMAGES = [*SMALL, *LARGE]


def equal(group: int) -> bytes:
    """The image of a group of urls that all lead to the same bytes: a small one, and something behind its end."""
    return SMALL[group % len(SMALL)] + f"group {group}".encode()


def body_of(path: str) -> bytes | None:
    """What a path leads to in the end; None where it leads to no image."""
    kind, number = path.removeprefix("/").split("/")[:2]
    if kind == "equal":
        return equal(int(number))
    return IMAGES[int(number) % len(IMAGES)] if kind in ("good", "slow", "flaky", "heals") else None


@dataclass
class Behaviour:
    """How the origin answers, by the first part of the path: good, equal, slow, flaky, heals, missing, broken, text."""

    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, exchange: Exchange) -> bool:
        target = exchange.request.target
        kind = target.split("/")[1]
        self.asked[target] += 1
        await asyncio.sleep(0.01 + (int(hashlib.sha256(target.encode()).hexdigest()[:4], 16) % 200) / 1000)
        if kind == "missing" or (kind == "heals" and self.asked[target] < 2):
            return await answer(b"not here", 404)(exchange)
        if kind == "broken" or (kind == "flaky" and self.asked[target] == 1):
            return await answer(b"not now", 500)(exchange)
        if kind == "text":
            return await answer(b"<html>no image</html>")(exchange)
        body = body_of(target) or b""
        if kind == "flaky" and self.asked[target] == 2:
            await exchange.send(head(200, {"Content-Length": str(len(body))}) + body[: len(body) // 2])
            return False
        if kind == "slow":
            return await self._drip(exchange, body)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if kind == "equal" and exchange.request.headers.get("if-none-match") == tag:
            return await answer(b"", 304, {"ETag": tag})(exchange)
        return await answer(body, headers={"ETag": tag} if kind == "equal" else None)(exchange)

    async def _drip(self, exchange: Exchange, body: bytes) -> bool:
        await exchange.send(head(200, {"Content-Length": str(len(body))}))
        pieces = 10
        for number in range(pieces):
            begin, end = (len(body) * one // pieces for one in (number, number + 1))
            await exchange.send(body[begin:end])
            await asyncio.sleep(0.3)
        return True


@dataclass
class Receiver:
    """Verifies what it gets, and refuses some of it once or twice.

    Attributes:
        secret: of the endpoint; set when there is one.
        own_secret: of what imports ask for themselves.
        received: what came.
    """

    received: Received
    secret: str = ""
    own_secret: str = ""
    _tries: Counter[str] = field(default_factory=Counter)

    async def __call__(self, exchange: Exchange) -> bool:
        self.received.requests += 1
        request = exchange.request
        event_id = request.headers.get("webhook-id", "")
        is_own = request.target.startswith("/own")
        if not self._verify(request.headers, request.body, self.own_secret if is_own else self.secret):
            self.received.forged.append(event_id)
            return await answer(b"", 401)(exchange)
        key = f"{request.target} {event_id}"
        self._tries[key] += 1
        # One of eight is refused at first, some of these twice: which is told by the id alone.
        refusals = {0: 1, 1: 2}.get(int(hashlib.sha256(key.encode()).hexdigest()[:4], 16) % 16, 0)
        if self._tries[key] <= refusals:
            return await answer(b"", 503 if refusals == 1 else 500)(exchange)
        event = json.loads(request.body)
        if is_own:
            self.received.own.add((event["data"]["id"], event["type"]))
        else:
            self.received.accepted.add(event_id)
            self.received.events[event["data"]["id"], event["type"]].add(event_id)
        return await answer(b"", 204)(exchange)

    @staticmethod
    def _verify(fields: Mapping[str, str], body: bytes, secret: str) -> bool:
        """By the signature alone: the sender's clock may be an hour off."""
        if not secret:
            return False
        sent_at = datetime.fromtimestamp(int(fields["webhook-timestamp"]), UTC)
        wanted = Webhook(secret).sign(fields["webhook-id"], sent_at, body.decode())
        return wanted in fields["webhook-signature"].split()


@dataclass(frozen=True)
class World:
    """What is around the service."""

    good: Origin
    bad: Origin
    hooks: Origin
    receiver: Receiver

    def url(self, path: str) -> str:
        """The url of a path; what is often broken has a host of its own, so that politeness to it delays no other."""
        is_bad = path.split("/")[1] in ("missing", "broken", "flaky", "heals", "text")
        return (self.bad if is_bad else self.good).url(path)

    def forget(self) -> None:
        """Drop what the servers remember of requests."""
        for server in (self.good, self.bad, self.hooks):
            server.requests.clear()


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Everything is up within the block."""
    behaviour, receiver = Behaviour(), Receiver(Received())
    async with (
        Origin(otherwise=behaviour, lifetime=7200) as good,
        Origin(otherwise=behaviour, lifetime=7200, host="127.0.0.2") as bad,
        Origin(otherwise=receiver, lifetime=7200, host="127.0.0.3") as hooks,
    ):
        yield World(good, bad, hooks, receiver)
