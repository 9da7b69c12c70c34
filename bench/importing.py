"""Many imports, from one batch request to the last one that is final, as a client of the API does and sees it."""

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import started
from bench.tools import tool
from tests.support.servers.service import token

PATIENCE = 600.0
FINAL = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run did.

    Attributes:
        seconds: how long it took.
        tried: images that were asked for.
        succeeded: images that were stored.
        megabytes: most memory of its processes together, where that was looked at.
    """

    seconds: float
    tried: int
    succeeded: int
    megabytes: float = 0.0

    @property
    def rate(self) -> float:
        """Images a second; what was not stored does not count."""
        return self.succeeded / self.seconds


def import_all(port: int, urls: Sequence[str], folder: Path) -> Sample:
    """Post the URLs as one batch of NDJSON, by curl, and wait until all are final.

    Args:
        port: of the service.
        urls: of the images.
        folder: for the files of the client.

    Raises:
        RuntimeError: the batch was not accepted, or takes longer than ten minutes.
    """
    body, head = folder / "batch.ndjson", folder / "head.txt"
    lines = (json.dumps({"album_id": "album", "url": url}) + "\n" for url in urls)
    body.write_text("".join(lines), encoding="utf-8")
    head.unlink(missing_ok=True)
    authorization = f"Bearer {token(admin=True)}"
    command: list[str | Path] = [
        tool("curl"),
        "--silent",
        "--fail",
        "--upload-file",
        body,
        "--request",
        "POST",
        "--dump-header",
        head,
    ]
    command += ["--header", f"Authorization: {authorization}", "--header", "Content-Type: application/x-ndjson"]
    began = time.monotonic()
    with started([*command, f"http://127.0.0.1:{port}/api/v1/imports/batch"]) as posting:
        batch_id = _batch_id(head)
        counts = _wait_until_final(port, batch_id, authorization, len(urls))
        took = time.monotonic() - began
        if posting.wait(PATIENCE):
            raise RuntimeError("the batch was not accepted")
    return Sample(took, len(urls), counts.get("done", 0))


def _batch_id(head: Path) -> str:
    """The batch's id, as soon as the answer has begun."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        for line in head.read_text(encoding="latin-1").splitlines() if head.exists() else ():
            name, _, value = line.partition(":")
            if name.lower() == "x-batch-id":
                return value.strip()
        time.sleep(0.01)
    raise RuntimeError("the batch was not accepted")


def _wait_until_final(port: int, batch_id: str, authorization: str, count: int) -> dict[str, int]:
    """Ask for the batch, more often towards the end, so that asking costs little and the end is seen at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.monotonic()
    try:
        while time.monotonic() - began < PATIENCE:
            batch = _batch(connection, batch_id, authorization)
            counts: dict[str, int] = batch["imports"]
            final = sum(counts[status] for status in FINAL)
            if final >= (batch["accepted"] if batch["complete"] else count):
                return counts
            rate = final / max(time.monotonic() - began, 0.001)
            time.sleep(min(0.5, max(0.01, 0.5 * (count - final) / rate if rate else 0.1)))
    finally:
        connection.close()
    raise RuntimeError("the imports did not all become final")


def _batch(connection: http.client.HTTPConnection, batch_id: str, authorization: str) -> dict[str, Any]:
    connection.request("GET", f"/api/v1/batches/{batch_id}", headers={"Authorization": authorization})
    response = connection.getresponse()
    content: dict[str, Any] = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(f"the batch cannot be looked at: {content}")
    return content
