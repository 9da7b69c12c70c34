"""A listener of the event stream of an organisation, which comes again wherever it was interrupted."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

import aiohttp

RECONNECT = 0.2


@dataclass
class Listener:
    """Listens until it is stopped.

    Attributes:
        told: what was told last of each import.
        last_id: of the last event, with which it comes again.
        connections: how often it came.
    """

    base: str
    token: str
    rng: random.Random
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: set[tuple[str, str]] = field(default_factory=set)
    last_id: str = ""
    connections: int = 0
    events: int = 0
    _listening: asyncio.Event = field(default_factory=asyncio.Event)

    async def begun(self) -> None:
        """Return when it knows from where on it is told everything."""
        await self._listening.wait()

    async def run(self) -> None:
        """Listen until cancelled; leaves of itself now and then, as clients do."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=40)) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with asyncio.timeout(self.rng.uniform(4, 25)):
                        await self._listen(session)
                await asyncio.sleep(RECONNECT)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        async with session.get(f"{self.base}/api/v1/events", headers=headers) as response:
            if response.status != 200:
                return
            self.connections += 1
            name = data = event_id = ""
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                field_name, _, value = line.partition(": ")
                if field_name == "event":
                    name = value
                elif field_name == "data":
                    data = value
                elif field_name == "id":
                    event_id = value
                elif not line:
                    self._take(name, data, event_id)
                    name = data = event_id = ""

    def _take(self, name: str, data: str, event_id: str) -> None:
        if name == "state":
            document = json.loads(data)
            self.events += 1
            self.told[document["id"]] = document
            self.ends.add((document["id"], document["status"]))
        if event_id:
            self.last_id = event_id
            self._listening.set()
