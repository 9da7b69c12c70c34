"""What release 0.1.0 has written is there after the upgrade: imports, images, sums, and work that goes on."""

import asyncio
import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from lading.service.api.auth import issue_token
from lading.service.documents.sqlite.schema import SCHEMA_VERSION
from lading.service.models.clock import SystemClock
from lading.service.models.issuers import Issuer
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
