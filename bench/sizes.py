"""How much room documents and their indexes take in the databases, for each import: what a deployment is sized with."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench.rows import Row
from lading.service.documents.mongo.schema import IMPORTS


@dataclass(frozen=True, slots=True)
class Size:
    """What one tree of a database takes up.

    Attributes:
        name: of the table or index.
        byte_size: of all of it.
        queued, done: how many entries of imports of either kind it holds.
    """

    name: str
    byte_size: int
    queued: int
    done: int

    @property
    def each(self) -> float:
        """Bytes for each entry."""
        return self.byte_size / (self.queued + self.done)


def of_sqlite(path: Path, queued: int, done: int) -> list[Size]:
    """Of the file's tables and indexes, the documents first; those that hold little are left out.

    Raises:
        sqlite3.OperationalError: this SQLite was built without the table ``dbstat``.
    """
    # Each cell of an index is an entry; of a table only those of its leaves are.
    query = (
        "SELECT name, sum(pgsize), sum(CASE WHEN name <> 'imports' OR pagetype = 'leaf' THEN ncell ELSE 0 END)"
        " FROM dbstat GROUP BY name ORDER BY name <> 'imports', name"
    )
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(query).fetchall()
    return [
        Size(name, byte_size, *_kinds(entries, queued, done))
        for name, byte_size, entries in found
        if entries > min(queued, done) / 2
    ]


def _kinds(entries: int, queued: int, done: int) -> tuple[int, int]:
    """Which imports a tree with so many entries holds: the queued ones, the done ones, or both."""
    choices = [(queued, 0), (0, done), (queued, done)]
    return min(choices, key=lambda choice: abs(sum(choice) - entries))


def of_mongo(client: MongoClient[dict[str, Any]], database: str, queued: int, done: int) -> list[Size]:
    """Of the collection, as documents, as the file that they are in, and of its indexes."""
    client.admin.command("fsync")  # sizes are those of the last checkpoint
    imports = client.get_database(database)[IMPORTS]
    stats = client.get_database(database).command("collStats", IMPORTS)
    sizes = [
        Size("documents as BSON", stats["size"], queued, done),
        Size("documents on the disk, compressed", stats["storageSize"], queued, done),
    ]
    some = {status: (imports.find_one({"status": status}) or {}).get("_id") for status in ("queued", "done")}
    for name, index in sorted(imports.index_information().items()):
        condition = index.get("partialFilterExpression", {})
        holds = {
            status: imports.count_documents({"$and": [{"_id": one}, dict(condition)]}) for status, one in some.items()
        }
        if any(holds.values()):
            sizes.append(Size(name, stats["indexSizes"][name], queued * holds["queued"], done * holds["done"]))
    return sizes


def rows(database: str, sizes: Sequence[Size], *, compressed: bool = False) -> list[Row]:
    """The rows of the report; the reference of each is the first, the documents themselves.

    Args:
        database: its name.
        sizes: the documents first.
        compressed: whether the second of the sizes is the first once more, as it is on the disk.
    """
    reference = sizes[0]
    stored = sizes[1:] if compressed else sizes
    found = [_row(database, size.name, size.each, reference, _held(size)) for size in sizes]
    sums = {
        "a queued import, all together": [size for size in stored if size.queued],
        "a done import, all together": [size for size in stored if size.done],
    }
    return found + [_row(database, name, sum(one.each for one in some), reference, "") for name, some in sums.items()]


def _held(size: Size) -> str:
    if size.queued and size.done:
        return "every import"
    return "queued ones" if size.queued else "done ones"


def _row(database: str, name: str, value: float, reference: Size, note: str) -> Row:
    return Row(
        name=f"{database}, {name}",
        unit="bytes",
        values=(value,),
        reference=f"{database}, {reference.name}",
        reference_values=(reference.each,),
        higher_is_better=False,
        note=note,
    )


TEXT = (
    "What was measured: what {queued} queued and {done} done imports take up in the databases of the section, for"
    " each import that the table or index holds, once; a document is the mean of both kinds, of which a done one is"
    " the longer. All of them have one album, one name in their metadata and a URL of 31 characters; longer ones, and"
    " what traces, errors and outboxes hold, come on top. The indexes were filled in the order of time, with random"
    " ids. MongoDB compresses documents, and these are much alike: real ones take more than here, at most what they"
    " have as BSON."
)
