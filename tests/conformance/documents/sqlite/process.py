"""A second process for the tests of the SQLite store: adds imports, and prints the id of each when ``add`` returned.

    python -m tests.conformance.documents.sqlite.process FILE ROUNDS

A round is ten concurrent adds. It holds back until a line comes on its standard input.
"""

import asyncio
import sys
from pathlib import Path

from lading.service.documents.sqlite.store import SqliteDocumentStore
from tests.conformance.documents.cases.base import SettableClock, make_import


async def main(path: Path, rounds: int) -> None:
    clock = SettableClock()
    store = SqliteDocumentStore(path, clock)

    async def add() -> None:
        document = make_import(clock)
        await store.add(document)
        sys.stdout.write(document.id + "\n")
        sys.stdout.flush()

    sys.stdin.readline()
    await store.open()
    for _ in range(rounds):
        await asyncio.gather(*(add() for _ in range(10)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
