"""What ``lading documents plan`` tells of a database: its indexes, its size, and the plan of each statement of a store.

The statements are data beside each store, ``queries.json``: a test records what the methods of the store really send.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final

MIN_MEASURED: Final = 10_000
"""Imports from which on a database tells what an import takes: in smaller ones the least size of a file counts more."""


class Reach(StrEnum):
    """Which shards a statement asks, if ``imports`` is sharded by ``{_id: "hashed"}`` and nothing else is sharded."""

    TARGETED = "targeted"
    """Those of the ids that it names."""
    SCATTERED = "scattered"
    """All, whose answers ``mongos`` merges."""
    PRIMARY = "one shard"
    """The one that has the collections which are not sharded."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of the database.

    Attributes:
        keys: fields or expressions, in their order.
        holds: the condition on what it holds; empty for everything.
        byte_size: of all of it; None where that is not known.
        is_unique: whether it also keeps its keys unique.
    """

    table: str
    name: str
    keys: tuple[str, ...]
    holds: str = ""
    byte_size: int | None = None
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How the database carries out a statement.

    Attributes:
        statement: what is sent, values left out.
        indexes: the names of those that it uses.
        walked: those of them that it reads from one end, up to its limit, rather than a stretch of them.
        scanned: the tables that it reads whole, without any index.
        reach: None for a database that cannot be sharded.
    """

    statement: str
    indexes: tuple[str, ...] = ()
    walked: tuple[str, ...] = ()
    scanned: tuple[str, ...] = ()
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the imports of a database take on its disk.

    Attributes:
        imports: how many there are.
        is_measured: whether the sizes are this database's; otherwise they are those of Lading's own measurements.
        documents, indexes: bytes for each import.
        random: bytes of ``indexes`` for each import whose keys come in no order: any part of these is written next.
    """

    imports: int
    is_measured: bool
    documents: float
    indexes: float
    random: float


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """What the command tells.

    Attributes:
        plans: of each method, by its name as of ``DocumentStore``, with ``search.``, ``queue.`` or ``records.``.
        is_sharded: whether the database is; None where that cannot be.
    """

    indexes: Sequence[Index]
    usage: Usage
    plans: Mapping[str, Sequence[Plan]]
    is_sharded: bool | None = None

    def served_by(self, name: str) -> Sequence[str]:
        """The methods that use an index."""
        return [method for method, plans in self.plans.items() if any(name in plan.indexes for plan in plans)]

    @property
    def scans(self) -> Mapping[str, Sequence[str]]:
        """The tables that methods read whole, by the method."""
        scanned = {
            method: list(dict.fromkeys(table for plan in plans for table in plan.scanned))
            for method, plans in self.plans.items()
        }
        return {method: tables for method, tables in scanned.items() if tables}


class Planning(ABC):
    """Optional capability of a store: tells how its database does what the store asks for. It changes nothing."""

    @abstractmethod
    async def plan(self) -> DatabasePlan:
        """Look at the database, whose services may run. The work does not depend on how many imports it has.

        Works on a store that is not open, and never upgrades a database.

        Raises:
            StoreRefused: there is no database yet, or it is not as this Lading needs it.
            StoreUnavailable: it does not answer.
        """


def recorded(package: str) -> Mapping[str, Sequence[Any]]:
    """The statements of each method of the store in this package."""
    record: Mapping[str, Sequence[Any]] = json.loads(files(package).joinpath("queries.json").read_text("utf-8"))
    return record
