"""Clients that make imports: by url, again with a key, in batches, and with bytes of their own, whole or in pieces."""

import asyncio
import base64
import itertools
import json
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import aiohttp

from tests.chaos.audit.ledger import FINAL, Cargo
from tests.chaos.clients.asking import PATIENCE, UNANSWERED, Asking, GaveUp
from tests.chaos.clients.sources import IMAGES, World, body_of

ALBUMS: Final = ("imported_album", "second", "third")
DONE: Final = frozenset({"done"})
ENDS: Final = {
    "heals": frozenset({"done", "failed"}),
    **dict.fromkeys(("good", "slow", "flaky", "equal"), DONE),
    **dict.fromkeys(("missing", "broken", "text"), frozenset({"failed"})),
}
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
NDJSON: Final = {"Content-Type": "application/x-ndjson"}
TUS: Final = {"Tus-Resumable": "1.0.0"}


@dataclass
class Posting:
    """Makes imports, and enters those that were acknowledged into the ledger.

    Attributes:
        recent: the latest of them, for those who do something to imports.
    """

    asking: Asking
    world: World
    recent: deque[Cargo] = field(default_factory=lambda: deque(maxlen=300))
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _group: int = 0

    async def by_url(self) -> None:
        """One url of any kind, some with a webhook of their own."""
        kinds = ("good", "slow", "flaky", "heals", "missing", "broken", "text")
        (kind,) = self.asking.rng.choices(kinds, (60, 6, 6, 6, 8, 2, 4))
        await self.post(self._path(kind), has_webhook=self.asking.rng.random() < 0.1)

    async def equal_ones(self) -> None:
        """Some urls that lead to the same bytes, of which one copy is enough; some at once."""
        if self.asking.rng.random() < 0.3:
            self._group += 1
        paths = [f"/equal/{self._group}/{next(self._numbers) % 7}" for _ in range(self.asking.rng.randint(1, 3))]
        dedupe = self.asking.rng.choice(("album", "organization"))
        await asyncio.gather(*(self.post(path, dedupe=dedupe) for path in paths))

    async def with_key(self) -> None:
        """One request, sent twice at once and a third time."""
        key = {"Idempotency-Key": str(uuid.UUID(int=self.asking.rng.getrandbits(128)))}
        path = self._path("good")
        body = urlencode({"album_id": ALBUMS[0], "url": self.world.url(path)})

        async def send() -> str:
            while True:
                answer, _ = await self.asking.until_answered("POST", "/api/v1/imports", body, FORM | key)
                if answer.code != "idempotency_in_progress":
                    break
                await asyncio.sleep(0.3)
            if answer.status != 200:
                self.wrong("POST with a key", answer.body)
                return ""
            cargo = self.acknowledged(Cargo(answer.document["id"], body_of(path), DONE))
            return cargo.id

        ids = {*await asyncio.gather(send(), send()), await send()} - {""}
        if len(ids) > 1:
            self.asking.ledger.figures.found("twice", f"one Idempotency-Key, imports {sorted(ids)}")

    async def batch(self) -> None:
        """A batch, some of them sent again with their key until they are complete; failed ones are retried at once."""
        rng = self.asking.rng
        fails = rng.random() < 0.6
        paths = [
            self._path(rng.choice(("heals", "missing")) if fails else "good") for _ in range(rng.choice((8, 20, 90)))
        ]
        items = [{"album_id": rng.choice(ALBUMS), "url": self.world.url(path)} for path in paths]
        body = "".join(json.dumps(item) + "\n" for item in items)
        key = {"Idempotency-Key": str(uuid.UUID(int=rng.getrandbits(128)))}
        ids: dict[int, str] = {}
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                answer = await self.asking.once("POST", "/api/v1/imports/batch", body, NDJSON | key)
            except UNANSWERED:
                self.asking.ledger.figures.notes["batches broken off"] += 1
                await asyncio.sleep(self.asking.rng.uniform(0.3, 1.0))
                continue
            if answer.status == 200 and self._enter(answer.body, answer.headers["X-Batch-Id"], paths, ids):
                break
            await asyncio.sleep(0.3)
        if fails and ids:
            await self._retry_batch(self.asking.ledger.cargo[next(iter(ids.values()))].batch or "")

    def _enter(self, body: bytes, batch: str, paths: list[str], ids: dict[int, str]) -> bool:
        """Enter what the lines of an answer acknowledge; whether that is all of the batch."""
        lines = [json.loads(line) for line in body.splitlines() if line.endswith(b"}")]
        for line in lines:
            if line.get("status") == 200 and "id" in line:
                number, import_id = line["line"], line["id"]
                path = paths[number - 1]
                self.acknowledged(Cargo(import_id, body_of(path), ENDS[path.split("/")[1]], batch=batch))
                if ids.setdefault(number, import_id) != import_id:
                    self.asking.ledger.figures.found("twice", f"line {number} of a batch: {ids[number]}, {import_id}")
        told = {line["line"] for line in lines if "line" in line}
        if lines and lines[-1].get("complete") and len(told) < len(paths):
            self.wrong(
                "a batch is complete, and these lines have no answer", sorted({*range(1, len(paths) + 1)} - told)
            )
        return len(ids) == len(paths)

    async def _retry_batch(self, batch: str) -> None:
        """Retry what has failed, as soon as something has, and again."""
        for _ in range(4):
            await asyncio.sleep(self.asking.rng.uniform(0.05, 0.6))
            answer, _ = await self.asking.until_answered("POST", f"/api/v1/batches/{batch}/retry")
            if answer.status != 200:
                self.wrong("retry of a batch", answer.body)
                return
            self.asking.ledger.figures.actions["batch retries"] += 1

    # --- bytes of the client's own ------------------------------------------------------------------------------------

    async def in_a_form(self) -> None:
        """A multipart form with the file: acknowledged when it is stored."""
        form = aiohttp.FormData()
        body = self.asking.rng.choice(IMAGES)
        form.add_field("album_id", ALBUMS[0])
        form.add_field("file", body, filename="a.jpg", content_type="image/jpeg")
        answer = await self.asking.once("POST", "/api/v1/imports", form)
        if answer.status == 200:
            self.acknowledged(Cargo(answer.document["id"], body, DONE))
        elif answer.status != 503 and answer.code != "content_in_progress":
            self.wrong("POST of a form", answer.body)

    async def in_one_piece(self) -> None:
        """An import that waits for its bytes, which are sent until they are taken."""
        answer, _ = await self.asking.until_answered("POST", "/api/v1/imports", f"album_id={ALBUMS[0]}", FORM)
        body = self.asking.rng.choice(IMAGES)
        cargo = self.acknowledged(Cargo(answer.document["id"], body, DONE, is_busy=True))
        await self.send_content(cargo, breaks_off=self.asking.rng.random() < 0.3)
        cargo.is_busy = False

    async def send_content(self, cargo: Cargo, *, breaks_off: bool = False) -> None:
        """Send the bytes of a waiting import until they are taken."""
        path = f"/api/v1/imports/{cargo.id}/content"
        await self._send(cargo, "PUT", path, {}, cargo.body or b"", breaks_off=breaks_off)

    async def _send(
        self, cargo: Cargo, method: str, path: str, headers: dict[str, str], body: bytes, *, breaks_off: bool
    ) -> None:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                answer = await self.asking.once(method, path, _broken_off(body) if breaks_off else body, headers)
            except UNANSWERED:
                breaks_off = False
            else:
                if answer.status == 200:
                    return
                if answer.code == "content_not_expected":
                    document = await self.asking.document(cargo.id)
                    if document is None or document["status"] in FINAL:
                        return  # taken before, as the audit is going to see
                elif answer.status != 503 and answer.code != "content_in_progress":
                    self.wrong(f"{method} of {cargo.id}", answer.body)
                    return
            await asyncio.sleep(self.asking.rng.uniform(0.1, 0.5))
        raise GaveUp(f"{method} {path}")

    async def in_pieces(self) -> None:
        """An upload by tus: created, then sent in two pieces, from where it is said to have come."""
        body = self.asking.rng.choice(IMAGES)
        metadata = f"album_id {base64.b64encode(ALBUMS[0].encode()).decode()}"
        head = {**TUS, "Upload-Length": str(len(body)), "Upload-Metadata": metadata}
        answer, _ = await self.asking.until_answered("POST", "/api/v1/uploads", b"", head)
        if answer.status != 201:
            self.wrong("creation of an upload", answer.body)
            return
        path = answer.headers["Location"]
        cargo = self.acknowledged(Cargo(answer.headers["X-Import-Id"], body, DONE, is_busy=True))
        give_up = time.monotonic() + PATIENCE
        offset: int | None = 0
        while time.monotonic() < give_up:
            try:
                if offset is None:
                    answer = await self.asking.once("HEAD", path, headers=TUS)
                else:
                    piece = body[offset:] if offset else body[: len(body) // 2]
                    head = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
                    answer = await self.asking.once("PATCH", path, piece, head)
            except UNANSWERED:
                offset = None
                continue
            if answer.status in (200, 204):
                offset = int(answer.headers["Upload-Offset"])
                if offset == len(body):
                    cargo.is_busy = False
                    return
            elif answer.status in (409, 423, 503):
                offset = None
            else:
                self.wrong(f"{answer.status} for the upload {cargo.id}", answer.body)
                return
            await asyncio.sleep(self.asking.rng.uniform(0.02, 0.3))
        raise GaveUp(path)

    # --- shared -------------------------------------------------------------------------------------------------------

    async def post(
        self, path: str, *, dedupe: str = "", has_webhook: bool = False, album: str = "", group: str = ""
    ) -> None:
        """Post one url."""
        params = {"album_id": album or self.asking.rng.choice(ALBUMS), "url": self.world.url(path)}
        if dedupe:
            params["dedupe"] = dedupe
        if has_webhook:
            params["webhook[url]"] = self.world.hooks.url("/own")
        answer, _ = await self.asking.until_answered("POST", "/api/v1/imports", urlencode(params), FORM)
        if answer.status != 200:
            self.wrong("POST", answer.body)
            return
        ends = ENDS[path.split("/")[1]]
        self.acknowledged(
            Cargo(
                answer.document["id"], body_of(path), ends, is_shared=bool(dedupe), has_webhook=has_webhook, group=group
            )
        )

    def _path(self, kind: str) -> str:
        return f"/{kind}/{next(self._numbers)}"

    def acknowledged(self, cargo: Cargo) -> Cargo:
        """Enter an import into the ledger; the same one where it is there already."""
        is_new = cargo.id not in self.asking.ledger.cargo
        cargo = self.asking.ledger.add(cargo)
        if is_new:
            self.recent.append(cargo)
        return cargo

    def wrong(self, what: str, answer: object) -> None:
        """An answer that no fault explains."""
        text = answer[:300].decode(errors="replace") if isinstance(answer, bytes) else answer
        self.asking.ledger.figures.found("wrong answers", f"{what}: {text}")


async def _broken_off(body: bytes) -> AsyncIterator[bytes]:
    """Half of it, then the client is gone."""
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)
    raise ConnectionResetError("the client goes away")
