"""What release 0.1.0 has written is there after the upgrade: imports, images, sums, and work that goes on."""

import asyncio
import base64
import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import AsyncExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.api.auth import issue_token
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.upkeep.upgrades import FORMAT
from lading.service.documents.sqlite.schema import SCHEMA_VERSION
from lading.service.models.clock import SystemClock
from lading.service.models.issuers import Issuer
from tests.conformance.documents.cases.base import IMAGE
from tests.conformance.documents.mongo.support import opened
from tests.support.servers.mongod import ReplicaSet
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import CONF, Client, environment, final, running_service

SQL = Path(__file__).parents[2] / "conformance" / "documents" / "releases" / "v0_1_0.sql"
NEEDED = 3


def release(folder: Path, origin: str = "") -> None:
    """The database and the images of the release; an import still waits for the origin."""
    sql = SQL.read_text(encoding="utf-8")
    with closing(sqlite3.connect(folder / "lading.sqlite3")) as connection:
        connection.executescript(sql.replace("http://127.0.0.1:8098/", origin))
        stored = connection.execute("SELECT params, image FROM imports WHERE image IS NOT NULL").fetchall()
    for params, image in stored:
        path = folder / "images" / json.loads(image)["key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(json.loads(params)["url"].partition(",")[2]))


def client_of(folder: Path, base: str) -> Client:
    """With a token that the issuer of the release has signed."""
    with closing(sqlite3.connect(folder / "lading.sqlite3")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(issuers)")]
        row = dict(zip(columns, connection.execute("SELECT * FROM issuers").fetchone(), strict=True))
    issuer = Issuer(row["id"], row["organization_id"], row["key"])
    abilities = {"album": ("image_upload", "image_download", "image_list")}
    return Client(base, issue_token(issuer, abilities=abilities, now=SystemClock().now(), expires=timedelta(hours=1)))


def old_documents() -> list[dict[str, Any]]:
    """Imports as earlier versions wrote them into MongoDB: without what only later ones find them by."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    image = {**asdict(IMAGE), "byte_size": 43}
    names = ("image_id", "import_type", "worker_id", "error", "image", "image_deleted_at", "image_purged_at")
    common: dict[str, Any] = {
        **dict.fromkeys(names),
        **dict.fromkeys(("created_at", "updated_at", "run_at"), now),
        "organization_id": "organization",
        "issuer_id": "issuer",
        "host": "",
        "request_id": "a request",
        "attempts": 1,
        "abandoned": 0,
        "revision": 3,
        "params": json.dumps({"album_id": "album"}),
    }
    done = {**common, "status": "done", "image": image}
    event = json.dumps([{"id": "evt_1", "type": "import.done"}])
    return [
        {**done, "_id": "done", "image_id": "image 1", "outbox": event},
        {**done, "_id": "deleted", "image_id": "image 2", "image_deleted_at": now},
        {**common, "_id": "queued", "status": "queued", "params": "{}"},
    ]


def run(folder: Path, *arguments: str, **more: str) -> Finished:
    command, *rest = arguments
    (folder / "service.conf").write_text(CONF, encoding="utf-8")
    return lading(command, "--config", "service.conf", *rest, cwd=folder, environ=environment(folder, **more))


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


@pytest.mark.gen_test(timeout=100)
async def test_imports_images_and_sums_are_right_and_work_goes_on(tmp_path: Path) -> None:
    data = jpeg(64, 48)
    async with Origin({"/never.gif": answer(data)}) as origin:
        release(tmp_path, origin.url("/"))
        async with running_service(tmp_path) as service:
            client = client_of(tmp_path, service.url)
            listed = json.loads((await client.fetch("/api/v1/imports?album_id=album")).body)["imports"]
            by_shelf = json.loads((await client.fetch("/api/v1/imports?metadata[shelf]=1")).body)["imports"]
            documents = [await final(client, one["id"]) for one in listed]
            sizes = 0
            for document in documents:
                if document["status"] != "done":
                    continue
                read = await client.fetch(f"/api/v1/images/{document['image_id']}/content")
                assert read.code == 200
                assert hashlib.sha256(read.body).hexdigest() == document["image"]["sha256"]
                url = document["params"]["url"]
                assert read.body == (data if url.startswith("http") else base64.b64decode(url.partition(",")[2]))
                sizes += len(read.body)
            keyed = {"Idempotency-Key": "a-key", "Content-Type": "application/x-www-form-urlencoded"}
            body = f"album_id=album&url={quote(origin.url('/never.gif'))}"
            posts = [await client.fetch("/api/v1/imports", method="POST", body=body, headers=keyed) for _ in range(2)]
            assert [post.code for post in posts] == [200, 200], posts[0].body
            again = await final(client, json.loads(posts[0].body)["id"])
            assert json.loads(posts[1].body)["id"] == again["id"], "the record of the first was kept"
            sizes += again["image"]["byte_size"]
    assert sorted(document["status"] for document in documents) == ["done", "done", "done", "done", "failed"]
    assert [one["params"]["metadata"] for one in by_shelf] == [{"shelf": "1"}]
    with closing(sqlite3.connect(tmp_path / "lading.sqlite3")) as connection:
        sums = connection.execute("SELECT id, stored_bytes FROM organizations").fetchall()
    assert sums == [("release-organization", sizes)]
    audit = await asyncio.to_thread(
        lading, "storage", "audit", "--config", "service.conf", cwd=tmp_path, environ=environment(tmp_path)
    )
    assert (audit.status, audit.stderr) == (0, "")


@pytest.mark.gen_test(timeout=100)
async def test_two_services_that_start_at_once_upgrade_once_and_share_what_still_runs(tmp_path: Path) -> None:
    async with Origin({"/never.gif": answer(jpeg(64, 48))}) as origin, AsyncExitStack() as stack:
        release(tmp_path, origin.url("/"))

        async def posted() -> tuple[Client, list[str]]:
            service = await stack.enter_async_context(running_service(tmp_path))
            client = client_of(tmp_path, service.url)
            form = f"album_id=album&url={quote(origin.url('/never.gif'))}"
            posts = [await client.post(form) for _ in range(5)]
            assert {post.code for post in posts} == {200}
            return client, [json.loads(post.body)["id"] for post in posts]

        (client, first), (_, second) = await asyncio.gather(posted(), posted())
        ids = {*first, *second}
        listed = json.loads((await client.fetch("/api/v1/imports?album_id=album")).body)["imports"]
        documents = [await final(client, one["id"]) for one in listed]
    assert ids < {one["id"] for one in documents}
    assert Counter(one["status"] for one in documents) == {"done": 14, "failed": 1}
    assert {one["attempts"] for one in documents if one["id"] in ids} == {1}
    assert version(tmp_path / "lading.sqlite3") == SCHEMA_VERSION


def test_lading_migrate_upgrades_a_copied_database_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "lading.sqlite3"
    place = f"sqlite {path}"
    release(tmp_path)
    told = f"{place}: the schema has version 1, and becomes version {SCHEMA_VERSION}\n"
    assert run(tmp_path, "migrate", "--check") == Finished(NEEDED, told, "")
    assert version(path) == 1
    done = run(tmp_path, "migrate")
    (copy,) = tmp_path.glob("lading.sqlite3.before-*")
    assert done == Finished(0, f"{told}copied to {copy}\nupgraded\n", "")
    assert (version(path), version(copy), copy.stat().st_mode & 0o777) == (SCHEMA_VERSION, 1, 0o600)
    for arguments in (("migrate", "--check"), ("migrate",)):
        assert run(tmp_path, *arguments) == Finished(0, f"{place}: nothing to do\n", "")
    path.unlink()
    release(tmp_path)
    assert run(tmp_path, "migrate", "--no-backup") == Finished(0, f"{told}upgraded\n", "")
    assert [*tmp_path.glob("lading.sqlite3.before-*")] == [copy]


def test_a_newer_database_is_refused_with_both_versions(tmp_path: Path) -> None:
    release(tmp_path)
    with closing(sqlite3.connect(tmp_path / "lading.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for arguments in (("migrate", "--check"), ("migrate",), ("serve", "--port", "0")):
        done = run(tmp_path, *arguments)
        assert (done.status, done.stdout.count("upgraded")) == (1, 0)
        assert f"has schema version 99, newer than {SCHEMA_VERSION}" in done.stdout + done.stderr
    assert version(tmp_path / "lading.sqlite3") == 99


def test_an_operator_who_upgrades_by_hand_is_told_to_and_nothing_else_upgrades(tmp_path: Path) -> None:
    release(tmp_path)
    path = tmp_path / "lading.sqlite3"
    manual = {"LADING_DOCUMENTS__UPGRADE": "manual"}
    due = f"the database needs an upgrade (the schema has version 1, and becomes version {SCHEMA_VERSION})"
    for arguments in (("check",), ("serve", "--port", "0"), ("worker",)):
        done = run(tmp_path, *arguments, **manual)
        assert done.status == 1
        assert f"[documents] upgrade: is manual, and {due}: run 'lading migrate'" in done.stdout + done.stderr
    assert version(path) == 1
    assert run(tmp_path, "migrate", "--no-backup", **manual).stdout.endswith("upgraded\n")
    assert run(tmp_path, "check", **manual).status == 0
    path.unlink()
    assert run(tmp_path, "check", **manual).status == 0, "a new database needs no upgrade"


@pytest.mark.gen_test(timeout=100)
async def test_lading_migrate_upgrades_mongodb(
    tmp_path: Path, mongo_set: ReplicaSet, mongo_environ: dict[str, str]
) -> None:
    """From documents as earlier versions wrote them to what this version finds: by album, by sum, by events."""
    manual = {**mongo_environ, "LADING_DOCUMENTS__UPGRADE": "manual"}
    with mongo_set.client() as client:
        name = mongo_environ["LADING_DOCUMENTS_MONGO__DATABASE"]
        options = MongoOptions(mongo_environ["LADING_DOCUMENTS_MONGO__URI"], name)
        database = client.get_database(name)
        database["imports"].insert_many(old_documents())
        refused = await asyncio.to_thread(run, tmp_path, "check", **manual)
        assert refused.status == 1
        assert f"(the format has version 1, and becomes version {FORMAT}; the index lading_" in refused.stderr
        assert set(database["imports"].index_information()) == {"_id_"}, "nothing was changed"
        done = await asyncio.to_thread(run, tmp_path, "migrate", **manual)
        assert (done.status, done.stdout.splitlines()[-1], done.stderr) == (0, "upgraded", "")
        again = await asyncio.to_thread(run, tmp_path, "migrate", "--check", **manual)
        assert again == Finished(0, "mongo: nothing to do\n", "")
        assert (await asyncio.to_thread(run, tmp_path, "check", **manual)).status == 0
        found = {one["_id"]: one for one in database["imports"].find()}
        assert [found[name]["album_id"] for name in ("done", "deleted", "queued")] == ["album", "album", None]
        assert found["done"]["stored_bytes"] == 43
        assert [one["id"] for one in found["done"]["events"]] == ["evt_1"]
        assert "outbox" not in found["done"]
        assert found["deleted"]["unsettled_at"] == found["deleted"]["image_deleted_at"]
        async with opened(options, SystemClock()) as store:
            assert await store.stored_bytes("organization") == 86, "of a deleted image until it is removed"
            assert [one.id for one in await store.unpurged(10)] == ["deleted"]

        marks = database["pings"]
        marks.update_one({"_id": "format"}, {"$set": {"version": 99}})
        for arguments in (("migrate", "--check"), ("migrate",), ("serve", "--port", "0")):
            newer = await asyncio.to_thread(run, tmp_path, *arguments, **mongo_environ)
            assert (newer.status, newer.stdout.count("upgraded")) == (1, 0)
            said = newer.stdout + newer.stderr
            assert f"the database has format 99, newer than {FORMAT}, the newest that this version" in said
        assert marks.find_one({"_id": "format"}) == {"_id": "format", "version": 99}


@pytest.mark.gen_test(timeout=100)
async def test_indexes_and_fields_that_mongodb_lacks_are_told(
    tmp_path: Path, mongo_set: ReplicaSet, mongo_environ: dict[str, str]
) -> None:
    assert await asyncio.to_thread(run, tmp_path, "migrate", "--check", **mongo_environ) == Finished(
        0, "mongo: nothing to do\n", ""
    )
    with mongo_set.client() as client:
        imports = client.get_database(mongo_environ["LADING_DOCUMENTS_MONGO__DATABASE"])["imports"]
        imports.insert_one({"_id": "import", "status": "failed", "params": "{}", "organization_id": "organization"})
        check = await asyncio.to_thread(run, tmp_path, "migrate", "--check", **mongo_environ)
        assert check.status == NEEDED
        assert "mongo: the index lading_listed is created\n" in check.stdout
        assert "mongo: documents get their stored_bytes\n" in check.stdout
        imports.delete_many({})
        assert set(imports.index_information()) == {"_id_"}, "nothing was changed"
