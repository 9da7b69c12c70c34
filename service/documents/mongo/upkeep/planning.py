"""How MongoDB serves the store: see ``Planning``. Statements are explained, never carried out.

On a sharded cluster, ``imports`` is meant to be sharded by ``{_id: "hashed"}``: ids are random, so that writes spread,
and whatever names ids names its shards (https://www.mongodb.com/docs/manual/core/hashed-sharding/).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from ... import StoreRefused
from ...planning import MIN_MEASURED, DatabasePlan, Index, Plan, Planning, Reach, Usage, recorded
from ..connection import SECTION, Connection
from ..schema import DONE, IMPORTS, INDEXES, SHA256, SOURCE
from .upgrades import MongoUpgrading, opened_sibling

_DOCUMENTS: Final = 400.0
_INDEXES: Final = 750.0
_RANDOM: Final = 340.0
"""Bytes of a done import by Lading's own measurements: see "Bytes for each import" in the docs."""
_ID: Final = "_id_"
_RANDOM_INDEXES: Final = (_ID, DONE.name, SHA256.name, SOURCE.name)
_WHOLE: Final = "[MinKey, MaxKey]"


class MongoPlanning(Planning):
    """See ``Planning``; its calls connect by themselves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def plan(self) -> DatabasePlan:
        """See ``Planning.plan``. Its user needs no more than the role ``readWrite``."""
        if pending := await MongoUpgrading(self._connection).pending():
            raise StoreRefused(
                f"needs an upgrade ({'; '.join(pending)}): run 'lading migrate' first", SECTION, "database"
            )
        async with opened_sibling(self._connection) as connection:
            hello = await connection.run(lambda: connection.database.command("hello"))
            statistics = await self._statistics(connection)
            plans = {
                method: [await _explained(connection, statement) for statement in statements]
                for method, statements in recorded(__package__).items()
            }
            is_sharded = hello.get("msg") == "isdbgrid"
            return DatabasePlan(list(_indexes(statistics)), _usage(statistics[IMPORTS]), plans, is_sharded)

    async def _statistics(self, connection: Connection) -> Mapping[str, Mapping[str, Any]]:
        """The answer of ``collStats`` for each collection with indexes; the server reads no document for it."""
        names = list(dict.fromkeys(index.collection for index in INDEXES))
        found = {}
        for name in names:
            found[name] = await connection.run(partial(connection.database.command, "collStats", name))
            if not found[name].get("indexSizes"):
                problem = f"has no collection {name} with indexes yet: start Lading once, which creates it"
                raise StoreRefused(problem, SECTION, "database")
        return found


# --- indexes and sizes ------------------------------------------------------------------------------------------------


def _indexes(statistics: Mapping[str, Mapping[str, Any]]) -> Iterator[Index]:
    for collection, found in statistics.items():
        yield Index(collection, _id_of(collection), ("_id",), byte_size=found["indexSizes"][_ID], is_unique=True)
    for index in INDEXES:
        size = statistics[index.collection]["indexSizes"].get(index.name)
        condition = index.specification.get("partialFilterExpression")
        holds = "" if condition is None else json.dumps(condition)
        yield Index(index.collection, index.name, index.keys, holds, size, index.is_unique)


def _id_of(collection: str) -> str:
    """The name of the index that each collection has by itself."""
    return f"{_ID} of {collection}"


def _usage(statistics: Mapping[str, Any]) -> Usage:
    imports, sizes = int(statistics["count"]), statistics["indexSizes"]
    if imports < MIN_MEASURED:
        return Usage(imports, is_measured=False, documents=_DOCUMENTS, indexes=_INDEXES, random=_RANDOM)
    return Usage(
        imports,
        is_measured=True,
        documents=statistics["storageSize"] / imports,
        indexes=sum(sizes.values()) / imports,
        random=sum(sizes.get(name, 0) for name in _RANDOM_INDEXES) / imports,
    )


# --- plans ------------------------------------------------------------------------------------------------------------


async def _explained(connection: Connection, statement: Mapping[str, Any]) -> Plan:
    """See ``Plan``; https://www.mongodb.com/docs/manual/reference/explain-results/."""
    text, reach = _text(statement), reach_of(statement)
    if "insert" in statement or _is_stream(statement):
        return Plan(text, reach=reach)  # the one asks for nothing, the other reads the oplog from a place in it
    command = {"explain": _with_moments(statement), "verbosity": "queryPlanner"}
    answer = await connection.run(lambda: connection.database.command(command))
    indexes: dict[str, None] = {}
    walked: dict[str, None] = {}
    scanned: dict[str, None] = {}
    for collection, stage in _stages(answer, ""):
        match stage["stage"]:
            case "COLLSCAN":
                scanned[collection] = None
            case "IDHACK":
                indexes[_id_of(collection)] = None
            case _ if "indexName" in stage:
                name, (first, *_) = stage["indexName"], stage["keyPattern"]
                name = _id_of(collection) if name == _ID else name
                indexes[name] = None
                if stage.get("indexBounds", {}).get(first) == [_WHOLE]:
                    walked[name] = None
    return Plan(text, tuple(indexes), tuple(walked), tuple(scanned), reach)


def _stages(answer: Any, collection: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stages of every winning plan in an answer, those of shards too, with their collection."""
    if isinstance(answer, Mapping):
        collection = str(answer.get("namespace", "")).partition(".")[2] or collection
        if "stage" in answer:
            yield collection, answer
        for key, value in answer.items():
            if key not in {"rejectedPlans", "command"}:
                yield from _stages(value, collection)
    elif isinstance(answer, list):
        for value in answer:
            yield from _stages(value, collection)


def reach_of(statement: Mapping[str, Any]) -> Reach:
    """Which shards a statement asks; see ``Reach``."""
    (name, collection), *_ = statement.items()
    if name == "aggregate":
        return _reach_of_pipeline(collection, statement["pipeline"])
    if collection != IMPORTS:
        return Reach.PRIMARY
    if name == "insert":
        return Reach.TARGETED
    queries = {
        "update": lambda: [one["q"] for one in statement["updates"]],
        "delete": lambda: [one["q"] for one in statement["deletes"]],
        "find": lambda: [statement["filter"]],
    }
    asked = queries.get(name, lambda: [statement.get("query", {})])()
    return Reach.TARGETED if all(map(_names_ids, asked)) else Reach.SCATTERED


def _reach_of_pipeline(collection: str, pipeline: Sequence[Mapping[str, Any]]) -> Reach:
    first = pipeline[0].get("$match", {}) if pipeline else {}
    reach = Reach.PRIMARY if collection != IMPORTS else Reach.TARGETED if _names_ids(first) else Reach.SCATTERED
    others = [_reach_of_pipeline(one["coll"], one["pipeline"]) for one in _unions(pipeline)]
    return Reach.SCATTERED if Reach.SCATTERED in (reach, *others) else reach


def _unions(pipeline: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [stage["$unionWith"] for stage in pipeline if "$unionWith" in stage]


def _names_ids(query: Mapping[str, Any]) -> bool:
    """Whether a query holds for nothing but ids that it names."""
    wanted = query.get("_id")
    if isinstance(wanted, Mapping):
        return bool(wanted.keys() & {"$eq", "$in"})
    return wanted is not None or any(map(_names_ids, query.get("$and", ())))


def _is_stream(statement: Mapping[str, Any]) -> bool:
    return any("$changeStream" in stage for stage in statement.get("pipeline", ()))


def _with_moments(value: Any) -> Any:
    """The recorded statement as the driver takes it."""
    if isinstance(value, Mapping):
        if value.keys() == {"$date"}:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value["$date"])
        return {key: _with_moments(one) for key, one in value.items()}
    return [_with_moments(one) for one in value] if isinstance(value, list) else value


def _text(statement: Mapping[str, Any]) -> str:
    (name, collection), *rest = statement.items()
    return " ".join([f"{name} {collection}", *(f"{key}={value}" for key, value in rest if key != "cursor")])
