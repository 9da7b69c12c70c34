"""A receiver of webhooks, and a client that manages endpoints."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook
from tornado.httpclient import HTTPResponse

from lading.plugins.testing.origin import Behaviour, Exchange, Origin, Request, answer
from tests.support.servers.service import Client

ADMIN = {"admin": True, "abilities": ()}


def answers(*statuses: int, then: int = 200, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with these statuses in turn, and with ``then`` after them."""
    left = list(statuses)

    async def behave(exchange: Exchange) -> bool:
        status = left.pop(0) if left else then
        return await answer(b"", status, headers)(exchange)

    return behave


def verified(request: Request, *secrets: str) -> dict[str, Any]:
    """What a request says, if each of the secrets verifies it."""
    for secret in secrets:
        found: dict[str, Any] = Webhook(secret).verify(request.body, dict(request.headers))
    return found


def posts(origin: Origin, path: str = "/hook") -> Sequence[Request]:
    """The requests that came to a path, in their order."""
    return [one for one in tuple(origin.requests) if one.method == "POST" and one.target.partition("?")[0] == path]


async def received(origin: Origin, number: int, path: str = "/hook") -> Sequence[Request]:
    """The requests to a path, when there are so many; the test's own timeout bounds the wait."""
    while len(found := posts(origin, path)) < number:
        await asyncio.sleep(0.01)
    return found


@dataclass(frozen=True)
class Manager:
    """Manages endpoints through the API."""

    client: Client

    async def call(self, method: str, path: str = "", params: Any = None) -> HTTPResponse:
        body = None if params is None else json.dumps(params)
        headers = {} if params is None else {"Content-Type": "application/json"}
        if method in ("POST", "PATCH") and body is None:
            body = ""
        return await self.client.fetch(f"/api/v1/webhooks{path}", method=method, body=body, headers=headers)

    async def json(self, method: str, path: str = "", params: Any = None, *, code: int = 200) -> dict[str, Any]:
        response = await self.call(method, path, params)
        assert response.code == code, response.body
        found: dict[str, Any] = json.loads(response.body)
        return found

    async def create(self, url: str, **params: Any) -> dict[str, Any]:
        return await self.json("POST", "", {"url": url, **params}, code=201)

    async def deliveries(self, endpoint: str, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.json("GET", f"/{endpoint}/deliveries{query}"))["deliveries"]
        return found

    async def delivery(self, endpoint: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The endpoint's one delivery, when it is as wanted."""
        while True:
            found = await self.deliveries(endpoint)
            if found and until(found[0]):
                (delivery,) = found
                return delivery
            await asyncio.sleep(0.02)


def ids(requests: Sequence[Request]) -> Iterator[str]:
    """The ``webhook-id`` of each."""
    return (request.headers["webhook-id"] for request in requests)
