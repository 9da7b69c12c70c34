"""Clients that do something to imports that are there: look, cancel, retry, delete, read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.audit.ledger import Cargo
from tests.chaos.clients.asking import UNANSWERED, Answer
from tests.chaos.clients.posting import Posting


@dataclass
class Handling:
    """Takes imports that others have made; of each, one client at a time.

    Attributes:
        images: the folder that the storage keeps objects in.
    """

    posting: Posting
    images: Path

    async def look(self) -> None:
        """Look at some, so that others know how they are."""
        for _ in range(5):
            cargo = self._pick(lambda one: not one.delete)
            if cargo is None:
                return
            answer, _ = await self.posting.asking.until_answered("GET", f"/api/v1/imports/{cargo.id}")
            if answer.status == 200:
                cargo.saw(answer.document)
            elif not cargo.delete:  # which another client may have asked for meanwhile
                self._missed(cargo, answer)

    async def cancel(self) -> None:
        """Cancel one that may not be final yet."""
        cargo = self._pick(lambda one: not one.delete and one.told is None)
        if cargo is None:
            return
        answer = await self._act(cargo, "POST", f"/api/v1/imports/{cargo.id}/cancel")
        if answer is None or answer.status == 503:
            cargo.possible.add("cancelled")
        elif answer.status == 200:
            cargo.decided = "cancelled"
            cargo.told = "cancelled"
        elif answer.code != "not_cancellable":
            self._missed(cargo, answer)

    async def retry(self) -> None:
        """Retry one that has failed, or was cancelled."""
        cargo = self._pick(lambda one: not one.delete and not one.is_sent and one.told in ("failed", "cancelled"))
        if cargo is None:
            return
        answer = await self._act(cargo, "POST", f"/api/v1/imports/{cargo.id}/retry")
        if answer is None or answer.status == 503:
            cargo.possible |= cargo.ends
            cargo.retries += 1
        elif answer.status == 200:
            cargo.decided = cargo.told = None
            cargo.retries += 1
        elif answer.code not in ("not_retryable", "still_stopping", "secrets_dropped"):
            self._missed(cargo, answer)

    async def delete(self) -> None:
        """Delete one, whatever it does."""
        cargo = self._pick(lambda one: not one.delete)
        if cargo is None:
            return
        cargo.delete = "asked"
        answer = await self._act(cargo, "DELETE", f"/api/v1/imports/{cargo.id}")
        if answer is None or answer.status == 503:
            return
        if answer.status not in (202, 204):
            self._missed(cargo, answer)
            return
        cargo.delete = "told"
        if answer.status == 204:
            self._is_gone(cargo)
        again = await self._act(cargo, "GET", f"/api/v1/imports/{cargo.id}")
        if again is not None and again.status not in (404, 503):
            self._wrong(f"{cargo.id} was deleted, and is there: {again.status}")

    async def delete_image(self) -> None:
        """Delete the image of one."""
        cargo = self._pick(lambda one: not one.delete and not one.image_delete and one.told == "done")
        if cargo is None:
            return
        cargo.image_delete = "asked"
        answer = await self._act(cargo, "DELETE", f"/api/v1/images/{cargo.image_id}")
        if answer is None or answer.status == 503:
            return
        if answer.status not in (202, 204):
            self._missed(cargo, answer)
            return
        cargo.image_delete = "told"
        if answer.status == 204:
            self._is_gone(cargo)

    async def read(self) -> None:
        """Read the bytes of some."""
        for _ in range(3):
            cargo = self._pick(lambda one: not one.delete and not one.image_delete and one.told == "done")
            if cargo is None:
                return
            answer = await self._act(cargo, "GET", f"/api/v1/images/{cargo.image_id}/content")
            if answer is None or answer.status == 503:
                continue
            if answer.status != 200:
                text = f"reading {cargo.id}: {answer.status} {answer.code}"
                self.posting.asking.ledger.figures.found("dangling", text)
            elif answer.body != cargo.body:
                self.posting.asking.ledger.figures.found("partial", f"{cargo.id}: {len(answer.body)} other bytes")

    def _pick(self, fits: Callable[[Cargo], bool]) -> Cargo | None:
        """One of the recent ones that fits and is nobody else's at the moment."""
        fitting = [one for one in self.posting.recent if not one.is_busy and fits(one)]
        return self.posting.asking.rng.choice(fitting) if fitting else None

    async def _act(self, cargo: Cargo, method: str, path: str) -> Answer | None:
        """One request, while nobody else acts on it; None where no answer came."""
        ledger = self.posting.asking.ledger
        cargo.is_busy = True
        ledger.changed(cargo)
        try:
            answer = await self.posting.asking.once(method, path)
        except UNANSWERED:
            ledger.figures.notes["requests unanswered"] += 1
            return None
        else:
            if answer.status == 503:
                ledger.figures.notes["answers 503"] += 1
            return answer
        finally:
            cargo.is_busy = False

    def _is_gone(self, cargo: Cargo) -> None:
        """After a 204: no object of its own is left. Of a shared one, another may refer to it."""
        if not cargo.is_shared and (self.images / cargo.id[:2] / cargo.id).exists():
            self._wrong(f"204 for {cargo.id}, and its bytes are there")

    def _missed(self, cargo: Cargo, answer: Answer) -> None:
        text = f"{cargo.id} ({cargo.told or 'not final'}): {answer.status} {answer.body[:200].decode(errors='replace')}"
        self.posting.asking.ledger.figures.found("lost" if answer.status == 404 else "wrong answers", text)

    def _wrong(self, text: str) -> None:
        self.posting.asking.ledger.figures.found("wrong answers", text)
