"""Requests of clients that are patient: an answer may not come, or may ask them to come again."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.chaos.audit.ledger import Ledger

UNANSWERED: Final = (aiohttp.ClientError, TimeoutError, OSError)
TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
PATIENCE: Final = 240.0
"""Seconds for which a client repeats one request; then the service counts as gone."""


class GaveUp(Exception):
    """A request was not answered in all this time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        """Of a problem; empty where it is none."""
        try:
            return str(self.document.get("code", ""))
        except ValueError:
            return ""


@dataclass
class Asking:
    """A client of the API, through which all the load goes.

    Attributes:
        rng: of everything that clients choose.
        ledger: is told of answers that are wrong whatever was asked.
    """

    base: str
    token: str
    rng: random.Random
    ledger: Ledger
    session: aiohttp.ClientSession

    async def once(
        self,
        method: str,
        path: str,
        body: bytes | str | AsyncIterable[bytes] | aiohttp.FormData | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request.

        Raises:
            UNANSWERED: no whole answer came.
        """
        fields = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with self.session.request(method, self.base + path, data=body, headers=fields, timeout=TIMEOUT) as got:
            answer = Answer(got.status, await got.read(), dict(got.headers))
        if answer.status >= 500 and answer.status != 503:
            text = f"{method} {path.partition('?')[0]}: {answer.status} {answer.body[:300].decode(errors='replace')}"
            self.ledger.figures.found("dangling" if answer.code == "image_lost" else "wrong answers", text)
        if answer.status == 503 and "Retry-After" not in answer.headers:
            self.ledger.figures.found("wrong answers", f"{method} {path}: 503 without Retry-After")
        return answer

    async def until_answered(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Answer, bool]:
        """Repeat a request until its answer is none of an outage; and whether one before it may have had its effect.

        Raises:
            GaveUp: it never was.
        """
        give_up = time.monotonic() + PATIENCE
        notes = self.ledger.figures.notes
        in_doubt = False
        while True:
            try:
                answer = await self.once(method, path, body, headers)
            except UNANSWERED:
                notes["requests unanswered"] += 1
                await asyncio.sleep(self.rng.uniform(0.2, 0.6))
            else:
                if answer.status < 500:
                    return answer, in_doubt
                notes[f"answers {answer.status}"] += 1
            in_doubt = True
            if time.monotonic() > give_up:
                raise GaveUp(f"{method} {path}")
            await asyncio.sleep(self.rng.uniform(0.1, 0.4))

    async def document(self, import_id: str) -> dict[str, Any] | None:
        """An import as it is, or None where it does not exist.

        Raises:
            GaveUp: see ``until_answered``.
        """
        answer, _ = await self.until_answered("GET", f"/api/v1/imports/{import_id}")
        return answer.document if answer.status == 200 else None
