"""The outside auditor: compares what clients were told with what API, database and disk say.

It knows none of Lading's modules, so that no fault of theirs is its own.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.audit.databases import Database, Row, Sent
from tests.chaos.audit.inspection import Inspection
from tests.chaos.audit.ledger import FINAL, Cargo, Ledger, Received
from tests.chaos.clients.asking import UNANSWERED, Asking
from tests.chaos.clients.streams import Listener

AT_ONCE = 16
LOOK = 0.2
"""Seconds between two looks at what is not as it is to be yet."""


@dataclass
class Auditor:
    """Audits.

    Attributes:
        patience: seconds within which everything is to be final, told and delivered.
    """

    asking: Asking
    ledger: Ledger
    database: Database
    inspection: Inspection
    received: Received
    listeners: Sequence[Listener]
    patience: float

    async def settle(self, *, is_last: bool) -> None:
        """Wait until nothing is under way any more, then compare.

        Args:
            is_last: also what may take the minutes of a removal that was put off is to be over, and all is compared
                rather than what has changed.
        """
        began = time.monotonic()
        documents = await self._finished(began + self.patience)
        await self._until_told(documents, began + self.patience)
        if is_last:
            await self._until_removed(time.monotonic() + 200)
        self.ledger.figures.notes["longest settling, s"] = max(
            self.ledger.figures.notes["longest settling, s"], round(time.monotonic() - began)
        )
        rows, sums = await asyncio.to_thread(self.database.snapshot)
        await self._compare_contents(documents, {row.id: row for row in rows})
        await asyncio.to_thread(self.inspection.compare, rows, sums, is_last=is_last)
        self.compare_deliveries(await asyncio.to_thread(self.database.deliveries))

    # --- through the API ----------------------------------------------------------------------------------------------

    async def _finished(self, deadline: float) -> dict[str, dict[str, Any]]:
        """Documents of what has changed since the last audit, once final; compared with what clients know."""
        documents: dict[str, dict[str, Any]] = {}
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(cargo: Cargo) -> None:
            async with turns:
                document = await self._final(cargo, deadline)
            if document is not None:
                documents[cargo.id] = document

        await asyncio.gather(*map(one, self.ledger.every(self.ledger.unchecked)))
        self.ledger.unchecked.clear()
        return documents

    async def _final(self, cargo: Cargo, deadline: float) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        while True:
            try:
                answer = await self.asking.once("GET", f"/api/v1/imports/{cargo.id}")
            except UNANSWERED:
                answer = None
            if answer is not None and answer.status == 404:
                if not cargo.delete:
                    self._found("lost", f"{cargo.id} answers 404, and nobody deleted it")
                return None
            if answer is not None and answer.status == 200:
                found = answer.document
                if found["status"] in FINAL:
                    break
            if time.monotonic() > deadline:
                self._found("stuck", f"{cargo.id} is {found.get('status')}, {found.get('error')}")
                return None
            await asyncio.sleep(LOOK)
        if cargo.delete == "told":
            self._found("wrong answers", f"{cargo.id} was deleted, and is there")
        if found["status"] not in cargo.right:
            self._found(
                "wrong ends", f"{cargo.id} is {found['status']} ({found['error']}), not {' or '.join(cargo.right)}"
            )
        cargo.saw(found)
        return found

    async def _compare_contents(self, documents: Mapping[str, dict[str, Any]], rows: Mapping[str, Row]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(document: dict[str, Any]) -> None:
            async with turns:
                await self._compare_content(self.ledger.cargo[document["id"]], document)

        await asyncio.gather(*(one(found) for found in documents.values() if found["status"] == "done"))
        for import_id, document in documents.items():
            if import_id not in rows:
                self._found("lost", f"{import_id} is shown, and no row of the database")
            elif document["status"] != rows[import_id].status:
                self._found(
                    "wrong answers", f"{import_id}: {document['status']}, in the database {rows[import_id].status}"
                )

    async def _compare_content(self, cargo: Cargo, document: dict[str, Any]) -> None:
        answer, _ = await self.asking.until_answered("GET", f"/api/v1/images/{document['image_id']}/content")
        if answer.status == 200:
            if cargo.image_delete == "told":
                self._found("wrong answers", f"the image of {cargo.id} was deleted, and is sent")
            image = document["image"]
            digest = hashlib.sha256(answer.body).hexdigest()
            if answer.body != cargo.body or (image["byte_size"], image["sha256"]) != (len(answer.body), digest):
                self._found("partial", f"{cargo.id}: {len(answer.body)} bytes, not those of its origin")
        elif not cargo.image_delete or answer.status not in (404, 410):
            self._found("dangling", f"{cargo.id} is done, and its content answers {answer.status} {answer.code}")

    # --- events -------------------------------------------------------------------------------------------------------

    async def _until_told(self, documents: Mapping[str, dict[str, Any]], deadline: float) -> None:
        """Every last state is told to every listener, and every event that is due to the receiver."""
        while True:
            missing = [*self._untold(documents), *self._undelivered(documents)]
            if not missing or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK)
        for text in missing:
            self._found("events missing", text)

    def _untold(self, documents: Mapping[str, dict[str, Any]]) -> list[str]:
        missing = []
        for number, listener in enumerate(self.listeners):
            for import_id, document in documents.items():
                heard = listener.told.get(import_id, {}).get("status")
                if heard != document["status"]:
                    missing.append(f"{import_id} is {document['status']}; listener {number} heard {heard}")
        return missing

    def _undelivered(self, documents: Mapping[str, dict[str, Any]]) -> list[str]:
        due = [(one["id"], f"import.{one['status']}") for one in documents.values()]
        own = [
            fact for fact in due if self.ledger.cargo[fact[0]].has_webhook and not self.ledger.cargo[fact[0]].retries
        ]
        for cargo in self.ledger.cargo.values():
            due += [(cargo.id, "import.deleted")] if cargo.delete == "told" else []
            due += [(cargo.id, "image.deleted")] if cargo.image_delete == "told" and not cargo.delete else []
        missing = [f"{one[0]}: no {one[1]} has arrived" for one in due if not self.received.events.get(one)]
        return missing + [f"{one[0]}: no {one[1]} of its own" for one in own if one not in self.received.own]

    def compare_deliveries(self, deliveries: Sequence[Sent]) -> None:
        """What is called delivered was received, and nothing is undelivered; nothing was done twice, or forged."""
        for sent in deliveries:
            if sent.status != "delivered":
                self._found("events missing", f"delivery {sent.id} of {sent.event_id} is {sent.status}")
            elif not sent.owner.startswith("import:") and sent.event_id not in self.received.accepted:
                self._found("events missing", f"delivery {sent.id} is called delivered, and was not received")
        for (import_id, kind), ids in self.received.events.items():
            if kind == "import.done" and len(ids) > 1:
                self._found("twice", f"{import_id} was done {len(ids)} times")
        for event_id in self.received.forged:
            self._found("wrong answers", f"the signature of event {event_id} is wrong")

    # --- removals -----------------------------------------------------------------------------------------------------

    async def _until_removed(self, deadline: float) -> None:
        """What was to be removed later is removed."""
        while True:
            rows = await asyncio.to_thread(self.database.imports)
            pending = [row.id for row in rows if row.is_stopping or row.deleted or row.announces]
            if not pending:
                return
            if time.monotonic() > deadline:
                for import_id in pending:
                    self._found("stuck", f"{import_id}: its removal, or its announcement, is not completed")
                return
            await asyncio.sleep(2 * LOOK)

    def _found(self, kind: str, text: str) -> None:
        self.ledger.figures.found(kind, text)
