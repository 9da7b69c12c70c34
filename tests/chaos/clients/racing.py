"""Clients that race: eight imports of equal bytes at once, and ends of imports whose bytes are being sent."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.chaos.audit.ledger import Cargo
from tests.chaos.clients.asking import UNANSWERED
from tests.chaos.clients.posting import ALBUMS, DONE, FORM, Posting
from tests.chaos.clients.sources import IMAGES, equal

AT_ONCE = 8
FIRST_GROUP = 1_000_000
"""Groups that no other client posts to."""


@dataclass
class Racing:
    """Makes imports and acts on them while they run."""

    posting: Posting
    _groups: "itertools.count[int]" = field(default_factory=lambda: itertools.count(FIRST_GROUP))

    async def eight_at_once(self) -> None:
        """Equal bytes, most by url and some in forms; within an album, or in all albums."""
        rng = self.posting.asking.rng
        group, dedupe = next(self._groups), rng.choice(("album", "organization"))
        albums = [rng.choice(ALBUMS)] * AT_ONCE if dedupe == "album" else [rng.choice(ALBUMS) for _ in range(AT_ONCE)]
        forms = rng.randint(0, 3)
        await asyncio.gather(
            *(self._form(group, dedupe, album) for album in albums[:forms]),
            *(
                self.posting.post(f"/equal/{group}/{number}", dedupe=dedupe, album=album, group=f"{dedupe} {group}")
                for number, album in enumerate(albums[forms:])
            ),
        )

    async def _form(self, group: int, dedupe: str, album: str) -> None:
        form = aiohttp.FormData()
        form.add_field("album_id", album)
        form.add_field("dedupe", dedupe)
        form.add_field("file", equal(group), filename="a.jpg", content_type="image/jpeg")
        with suppress(*UNANSWERED):
            answer = await self.posting.asking.once("POST", "/api/v1/imports", form)
            if answer.status == 200:
                cargo = Cargo(answer.document["id"], equal(group), DONE, is_shared=True, group=f"{dedupe} {group}")
                self.posting.acknowledged(cargo)
            elif answer.status != 503 and answer.code != "content_in_progress":
                self.posting.wrong("POST of a form", answer.body)

    async def stopped_content(self) -> None:
        """An import that is cancelled or deleted while its bytes are sent; some are retried and sent again at once."""
        asking = self.posting.asking
        answer, _ = await asking.until_answered("POST", "/api/v1/imports", f"album_id={ALBUMS[0]}", FORM)
        body = asking.rng.choice(IMAGES)
        cargo = self.posting.acknowledged(Cargo(answer.document["id"], body, DONE, is_sent=True, is_busy=True))
        sending = asyncio.create_task(self._send_slowly(cargo))
        try:
            await asyncio.sleep(asking.rng.uniform(0.0, 0.4))
            if asking.rng.random() < 0.3:
                await self._delete(cargo)
            else:
                await self._cancel(cargo)
        finally:
            await sending
            cargo.is_busy = False

    async def _send_slowly(self, cargo: Cargo) -> None:
        with suppress(*UNANSWERED):
            await self.posting.asking.once("PUT", f"/api/v1/imports/{cargo.id}/content", _slowly(cargo.body or b""))

    async def _delete(self, cargo: Cargo) -> None:
        cargo.delete = "asked"
        answer, in_doubt = await self.posting.asking.until_answered("DELETE", f"/api/v1/imports/{cargo.id}")
        if answer.status in (202, 204) or (answer.status == 404 and in_doubt):
            cargo.delete = "told"
        else:
            self.posting.wrong(f"DELETE of {cargo.id}", answer.body)

    async def _cancel(self, cargo: Cargo) -> None:
        asking = self.posting.asking
        answer, _ = await asking.until_answered("POST", f"/api/v1/imports/{cargo.id}/cancel")
        if answer.code == "not_cancellable":
            return  # it is done already
        if answer.status != 200:
            self.posting.wrong(f"cancel of {cargo.id}", answer.body)
            return
        cargo.decided = cargo.told = "cancelled"
        asking.ledger.changed(cargo)
        if asking.rng.random() < 0.5:
            return
        answer, in_doubt = await asking.until_answered("POST", f"/api/v1/imports/{cargo.id}/retry")
        asking.ledger.figures.notes[f"retries of stopped contents: {answer.code or answer.status}"] += 1
        if answer.status == 200 or (in_doubt and answer.code == "not_retryable"):
            cargo.decided = cargo.told = None
            cargo.retries += 1
            await self.posting.send_content(cargo)


async def _slowly(body: bytes) -> AsyncIterator[bytes]:
    pieces = 4
    for number in range(pieces):
        begin, end = (len(body) * one // pieces for one in (number, number + 1))
        yield body[begin:end]
        await asyncio.sleep(0.08)
