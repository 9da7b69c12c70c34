"""``lading documents plan``: indexes, sizes and plans, of a database without a service."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.main import main
from lading.service.cli.upkeep.plan import bytes_of
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models.clock import SystemClock

CONF = """
[documents.sqlite]
path = {0}/lading.db
[storage.local]
path = {0}/images
[retention]
done = 864000
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "service.conf").write_text(CONF.format(tmp_path), encoding="utf-8")
    return tmp_path


@pytest.fixture
def database(path: Path) -> Path:
    """A file that a store has made."""

    async def make() -> None:
        store = SqliteDocumentStore(path / "lading.db", SystemClock())
        await store.open()
        await store.close()

    asyncio.run(make())
    return path


def run(path: Path, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(
        main, ["documents", "plan", *arguments], env={"LADING_CONFIG": f"{path}/service.conf", **environ}
    )


def test_it_tells_what_each_index_serves_and_what_the_imports_of_a_day_take(database: Path) -> None:
    result = run(database, "--per-day", "1000000")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"documents in sqlite {database}/lading.db: 0 imports"
    (index,) = (line for line in lines if line.startswith("imports: imports_unsettled "))
    assert index.endswith("unpurged")
    (method,) = (line for line in lines if line.startswith("get_by_image "))
    assert method.split() == ["get_by_image", "imports_done"]
    assert "whole tables of imports or records read by: nothing" in lines
    # Ten days' imports are kept.
    assert "10000000 imports take, by Lading's own measurements, since this one is small:" in lines
    assert "  documents: 5.43 GB (543 bytes each)" in lines
    assert "  a day: 1.25 GB for 1000000 imports, 11.6/s on average" in lines


def test_the_object_has_all_of_it(database: Path) -> None:
    result = run(database, "--json", "--imports", "1000")
    found = json.loads(result.output)
    assert result.exit_code == 0
    assert found["size"]["imports"] == 1000
    assert found["size"]["disk"] == 1_869_000
    assert found["queries"]["get"] == [
        {
            "statement": "SELECT * FROM imports WHERE id = ?",
            "indexes": ["sqlite_autoindex_imports_1"],
            "walked": [],
            "scanned": [],
            "reach": None,
        }
    ]
    assert next(one for one in found["indexes"] if one["name"] == "imports_done")["serves"] == ["get_by_image"]
    assert "shard_key" not in found


def test_a_query_that_reads_all_imports_is_a_failure(database: Path) -> None:
    with closing(sqlite3.connect(database / "lading.db")) as connection:
        connection.execute("DROP INDEX imports_unsettled")
    result = run(database)
    assert result.exit_code == 1
    assert "whole tables of imports or records read by: unpurged" in result.output


@pytest.mark.parametrize(
    ("backend", "told"),
    [("sqlite", "start Lading once, which creates it"), ("memory", "cannot see the documents")],
)
def test_without_a_database_it_says_so_and_makes_none(path: Path, backend: str, told: str) -> None:
    result = run(path, LADING_DOCUMENTS__BACKEND=backend)
    assert result.exit_code == 1
    assert told in result.output
    assert [one.name for one in path.iterdir()] == ["service.conf"]


def test_it_tells_which_shards_a_method_asks(path: Path, mongo_environ_lent: dict[str, str]) -> None:
    async def make() -> None:
        uri, database = (mongo_environ_lent[f"LADING_DOCUMENTS_MONGO__{key}"] for key in ("URI", "DATABASE"))
        store = MongoDocumentStore(MongoOptions(uri, database), SystemClock())
        await store.open()
        await store.close()

    asyncio.run(make())
    result = run(path, **mongo_environ_lent)
    assert result.exit_code == 0, result.output
    lines = {line.partition(" ")[0]: line for line in result.output.splitlines()}
    assert lines["get"].split() == ["get", "_id_", "of", "imports", "targeted"]
    assert lines["search.batch_counts"].split() == ["search.batch_counts", "lading_batch", "scattered"]
    assert lines["shard"].startswith('shard key of imports: {"_id": "hashed"}.')


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1250, "1.25 kB"), (4.56e8, "456 MB"), (1e12, "1 TB"), (7e15, "7 PB")],
)
def test_bytes_have_their_largest_unit(number: float, text: str) -> None:
    assert bytes_of(number) == text
