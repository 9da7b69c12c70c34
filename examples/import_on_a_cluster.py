"""Imports a list of URLs, one on each line, from all machines of a Dask or a Ray cluster.

    python import_on_a_cluster.py dask /shared/urls.txt --album holidays --address tcp://scheduler:8786
    python import_on_a_cluster.py ray /shared/urls.txt --album holidays --address auto

Each machine needs ``pip install 'lading[client]'``, the list under the same path, and the service's URL and a token in
``LADING_URL`` and ``LADING_TOKEN`` or in ``~/.config/lading/client.toml``. Without ``--address`` a cluster of this
machine's own processes runs.

A task posts one block of the list. Every try of a block sends the same batches with the same ``Idempotency-Key``, so a
block that a lost machine leaves behind, and a whole run that is repeated within a day, imports nothing twice. While the
service takes no more, each task waits as ``Retry-After`` says: the service's backlog bounds what is under way.

Refused lines lie in the folder ``LIST.refused`` when the run ends; the files there are lists again.
"""

import argparse
import hashlib
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lading.client import Client, Outcome, RateLimited, Retry, Unavailable

BATCH = 1000
PATIENCE = 6 * 3600.0
"""Seconds for which a task waits for a service that is away, or takes no more."""
FIRST_PAUSE = 5.0
TRIES = 5
"""How often a block is tried, on one machine or several."""


@dataclass(frozen=True)
class Block:
    """A part of a list.

    Attributes:
        path: of the list.
        start, end: the block has the lines that begin at these offsets, ``end`` not included.
        album: of the images.
        run: lists with different names have different ones.
    """

    path: Path
    start: int
    end: int
    album: str
    run: str

    @property
    def refused(self) -> Path:
        """Where the refused lines of the block lie."""
        return self.path.with_name(f"{self.path.name}.refused") / f"{self.start:015}.txt"


def blocks(path: Path, album: str, size: int) -> Iterator[Block]:
    """The blocks of a list, each of about ``size`` bytes."""
    total = path.stat().st_size
    run = hashlib.sha256(f"{path.name}\n{album}\n{total}\n{size}".encode()).hexdigest()[:32]
    for start in range(0, total, size):
        yield Block(path, start, min(start + size, total), album, run)


def lines(block: Block) -> Iterator[str]:
    """The lines that begin inside of a block. Its last line may end in the next block."""
    with block.path.open("rb") as file:
        file.seek(max(block.start - 1, 0))
        if block.start:
            file.readline()  # the line that began before; no more than a line end, if none did
        while file.tell() < block.end and (line := file.readline()):
            if text := line.decode(errors="replace").strip():
                yield text


def import_block(block: Block) -> Counter[str]:
    """Post the lines of a block, and wait until the service has accepted or refused each.

    Returns:
        how many lines were accepted, as ``accepted``, and how many were refused, by code.

    Raises:
        LadingError: the service refused a whole request, or could not be reached, for ``PATIENCE`` seconds.
    """
    end = time.monotonic() + PATIENCE
    with Client(retry=Retry(attempts=1000, seconds=PATIENCE, longest_pause=60.0)) as lading:
        while True:
            outcomes = post(lading, block)
            refused = [one for one in outcomes if one.error is not None]
            late = [one.error for one in refused if isinstance(one.error, RateLimited | Unavailable)]
            if not late or time.monotonic() > end:
                break
            time.sleep(max(error.retry_after or FIRST_PAUSE for error in late))
    keep_refused(block, [one.params["url"] for one in refused])
    return Counter("accepted" if one.error is None else one.error.code for one in outcomes)


def post(lading: Client, block: Block) -> list[Outcome]:
    """Post all lines of a block. The keys give the lines that were posted before the same imports again."""
    items = ({"url": line, "album_id": block.album} for line in lines(block))
    key = f"{block.run}-{block.start}"
    return list(lading.import_many(items, wait=False, batch_size=BATCH, idempotency_key=key))


def keep_refused(block: Block, refused: list[str]) -> None:
    """Write the refused lines of a block. Two machines may do so at once: whoever is last replaces the file."""
    if refused:
        block.refused.parent.mkdir(exist_ok=True)
        part = block.refused.with_suffix(f".{uuid.uuid4()}.part")
        part.write_text("\n".join(refused) + "\n", encoding="utf-8")
        part.replace(block.refused)
    else:
        block.refused.unlink(missing_ok=True)


def on_dask(todo: Iterator[Block], address: str | None, at_once: int) -> Iterator[Counter[str]]:
    """Run the blocks on Dask, and give the result of each as it ends."""
    from dask.distributed import Client as Dask
    from dask.distributed import as_completed

    with Dask(address, dashboard_address=None) if address is None else Dask(address) as dask:

        def submit(block: Block) -> Any:
            # Dask would not run a function again whose result it has.
            return dask.submit(import_block, block, pure=False, retries=TRIES - 1)

        running = as_completed([submit(block) for _, block in zip(range(at_once), todo, strict=False)])
        for future in running:
            yield future.result()
            with suppress(StopIteration):
                running.add(submit(next(todo)))


def on_ray(todo: Iterator[Block], address: str | None, at_once: int) -> Iterator[Counter[str]]:
    """Run the blocks on Ray, and give the result of each as it ends."""
    import ray

    ray.init(address, include_dashboard=False if address is None else None, log_to_driver=False)
    try:
        remote = ray.remote(max_retries=TRIES - 1, retry_exceptions=True)(import_block).remote
        running = [remote(block) for _, block in zip(range(at_once), todo, strict=False)]
        while running:
            done, running = ray.wait(running)
            yield ray.get(done[0])
            with suppress(StopIteration):
                running.append(remote(next(todo)))
    finally:
        ray.shutdown()


ENGINES: dict[str, Callable[[Iterator[Block], str | None, int], Iterator[Counter[str]]]] = {
    "dask": on_dask,
    "ray": on_ray,
}


def main() -> int:
    """Import a list; the exit status is 1 if lines were refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("list", type=Path, help="a file with one URL on each line")
    parser.add_argument("--album", required=True, help="album of the images")
    parser.add_argument("--address", help="of the cluster; by default this machine is one")
    parser.add_argument("--block-bytes", type=int, default=8 << 20, help="size of a block (default: 8 MiB)")
    parser.add_argument("--at-once", type=int, default=64, help="blocks under way (default: 64)")
    given = parser.parse_args()
    todo = blocks(given.list.resolve(), given.album, given.block_bytes)
    ended = Counter(accepted=0)
    for counts in ENGINES[given.engine](todo, given.address, given.at_once):
        ended += counts
        sys.stderr.write(f"{told(ended)}\n")
    sys.stdout.write(f"{told(ended)}\n")
    return 1 if set(ended) - {"accepted"} else 0


def told(ended: Counter[str]) -> str:
    """The counts in one line, such as ``300 accepted, 3 url_invalid``."""
    return ", ".join(f"{ended[code]} {code}" for code in ["accepted", *sorted(set(ended) - {"accepted"})])


if __name__ == "__main__":
    raise SystemExit(main())
