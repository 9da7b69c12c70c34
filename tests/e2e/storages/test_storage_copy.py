"""``lading storage copy`` as an operator uses it: beside a running service, killed half-way, and started again."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from lading.service.config import load_all
from lading.service.models import Held, Import
from lading.service.models.clock import SystemClock
from lading.service.runtime.wiring import open_storages
from tests.e2e.imports.test_outcomes import imported
from tests.support.images import noise, store_image
from tests.support.servers.processes import LADING, lading
from tests.support.servers.service import (
    CONF,
    ORGANIZATION,
    OTHER_ISSUER,
    OTHER_ORGANIZATION,
    Client,
    environment,
    running_service,
    token,
)

COPY = ("storage", "copy", "--config", "service.conf", "--from", "old", "--to", "new")
ALL = ("image_upload", "image_download", "image_delete")


def two_disks(directory: Path, backend: str = "new", **more: str) -> dict[str, str]:
    """Overrides for two local storages, ``old`` and ``new``."""
    return {
        "LADING_STORAGE__BACKEND": backend,
        "LADING_STORAGE__OTHERS": "old, new",
        **{
            f"LADING_STORAGE_{name.upper()}__{key}": value
            for name in ("old", "new")
            for key, value in {"PLUGIN": "local", "PATH": str(directory / name)}.items()
        },
        **more,
    }


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.long_form)])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    documents = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return environment(tmp_path, **two_disks(tmp_path, **documents))


def files(folder: Path) -> dict[str, bytes]:
    """Every object of a local storage."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".incoming" not in path.parts)
    return {path.name: path.read_bytes() for path in found}


async def fill(directory: Path, environ: dict[str, str], number: int, **changes: Any) -> list[Import]:
    """So many images in the old storage."""
    settings, components = load_all(directory / "service.conf", environ)
    async with open_storages(settings, components, SystemClock()) as (store, storages):
        found = [
            await store_image(store, storages.by_name["old"], "old", SystemClock(), noise(50 + seed, seed), **changes)
            for seed in range(number)
        ]
    return [one.document for one in found]


async def documents_in(directory: Path, environ: dict[str, str], storage: str) -> list[Import]:
    settings, components = load_all(directory / "service.conf", environ)
    async with open_storages(settings, components, SystemClock()) as (store, _):
        return list(await store.images_in(storage, Held.MAIN, "", 10_000))


@pytest.mark.gen_test(timeout=100)
async def test_killed_half_way_and_started_again(tmp_path: Path, environ: dict[str, str]) -> None:
    documents = await fill(tmp_path, environ, 150)
    bodies = files(tmp_path / "old")
    command = [*LADING, *COPY, "--delete-source", "--concurrency", "2"]
    for enough in (10, 60):
        run = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env={**os.environ, **environ})
        while len(files(tmp_path / "new")) < enough:
            assert run.returncode is None
            await asyncio.sleep(0.002)
        run.kill()
        assert await run.wait() == -signal.SIGKILL
        held = {name: files(tmp_path / name) for name in ("old", "new")}
        told = {name: await documents_in(tmp_path, environ, name) for name in ("old", "new")}
        assert len(told["new"]) < 150
        assert len(told["old"]) + len(told["new"]) == 150
        for name, found in told.items():
            for document in found:
                assert held[name][document.id] == bodies[document.id], "each document names a storage that has it"
    done = await asyncio.to_thread(lading, *COPY, "--delete-source", "--verify", cwd=tmp_path, environ=environ)
    assert (done.status, done.stderr) == (0, "")
    assert re.match(r"moved to new: \d+ \(\d+ copied, \d+ already there\); .*: 0; failed: 0", done.stdout)
    assert {one.id for one in await documents_in(tmp_path, environ, "new")} == {one.id for one in documents}
    assert files(tmp_path / "new") == bodies
    # A run that was killed between writing a document and removing its source leaves that behind, and nothing else.
    assert len(files(tmp_path / "old")) <= 2 * 2


@pytest.mark.gen_test(timeout=100)
async def test_a_service_imports_sends_and_deletes_meanwhile(tmp_path: Path, environ: dict[str, str]) -> None:
    documents = await fill(tmp_path, environ, 120)
    bodies = files(tmp_path / "old")
    data = images.jpeg(64, 48)
    overrides = {name: value for name, value in environ.items() if "SQLITE" not in name}
    async with Origin({"/a": answer(data)}) as origin, running_service(tmp_path, None, **overrides) as service:
        client = Client(service.url, token(abilities=ALL))
        copying = asyncio.create_task(
            asyncio.to_thread(lading, *COPY, "--delete-source", cwd=tmp_path, environ=environ)
        )
        deleted, new, asked = set(), [], 0
        while not copying.done() or asked < len(documents):
            document = documents[asked % len(documents)]
            asked += 1
            path = f"/api/v1/images/{document.image_id}"
            read = await client.fetch(f"{path}/content")
            if document.id in deleted:
                assert read.code == 410
            else:
                assert (read.code, read.body) == (200, bodies[document.id])
            if asked % 7 == 0:
                assert (await client.fetch(path, method="DELETE")).code == 204
                deleted.add(document.id)
            if asked % 20 == 0:
                new.append(await imported(client, origin.url("/a")))
        done = await copying
        assert (done.status, done.stderr) == (0, "")
        for one in new:
            assert (await client.fetch(f"/api/v1/images/{one['image_id']}/content")).body == data
    kept = {one: body for one, body in bodies.items() if one not in deleted}
    assert files(tmp_path / "new") == {**kept, **{one["id"]: data for one in new}}
    assert files(tmp_path / "old") == {}
    assert await documents_in(tmp_path, environ, "old") == []


@pytest.mark.gen_test(timeout=100)
async def test_an_organization_moves_while_imports_of_all_run(tmp_path: Path, environ: dict[str, str]) -> None:
    """A rule sends its new images to the new storage; every image keeps the key of its own time."""
    environ |= {
        "LADING_STORAGE__BACKEND": "old",
        "LADING_STORAGE__KEYS": "{organization}/{album}/{id}",
        "LADING_STORAGE_ROUTE__RULES": f"organization:{ORGANIZATION}=new",
    }
    moving = await fill(tmp_path, environ, 60)
    staying = await fill(tmp_path, environ, 5, organization_id=OTHER_ORGANIZATION, issuer_id=OTHER_ISSUER)
    data = images.jpeg(64, 48)
    command = (*COPY, "--organization", ORGANIZATION, "--verify", "--delete-source")
    overrides = {name: value for name, value in environ.items() if "SQLITE" not in name}
    async with Origin({"/a": answer(data)}) as origin, running_service(tmp_path, None, **overrides) as service:
        clients = {
            ORGANIZATION: Client(service.url, token(abilities=ALL)),
            OTHER_ORGANIZATION: Client(service.url, token(issuer=OTHER_ISSUER, abilities=ALL)),
        }
        copying = asyncio.create_task(asyncio.to_thread(lading, *command, cwd=tmp_path, environ=environ))
        new: dict[str, list[str]] = {name: [] for name in clients}
        while not copying.done() or len(new[ORGANIZATION]) < 3:
            for name, client in clients.items():
                new[name].append((await imported(client, origin.url("/a")))["id"])
        done = await copying
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout.startswith("moved to new: 60 (60 copied, 0 already there); ")
        for documents, client in ((moving, clients[ORGANIZATION]), (staying, clients[OTHER_ORGANIZATION])):
            for document in documents:
                assert (await client.fetch(f"/api/v1/images/{document.image_id}/content")).code == 200
    there, here = [await documents_in(tmp_path, environ, name) for name in ("new", "old")]
    assert {one.id for one in there} == {one.id for one in moving} | set(new[ORGANIZATION])
    assert {one.id for one in here} == {one.id for one in staying} | set(new[OTHER_ORGANIZATION])
    assert files(tmp_path / "new").keys() == {one.id for one in there}
    assert files(tmp_path / "old").keys() == {one.id for one in here}
    for one in (*there, *here):
        earlier = one.id in {document.id for document in (*moving, *staying)}
        folder = one.id[:2] if earlier else f"{one.organization_id}/imported_5falbum"
        assert one.storage_key == f"{folder}/{one.id}"


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return environment(tmp_path, **two_disks(tmp_path))


@pytest.mark.gen_test(timeout=60)
async def test_a_dry_run_tells_and_changes_nothing(tmp_path: Path, conf: dict[str, str]) -> None:
    await fill(tmp_path, conf, 3)
    before = files(tmp_path / "old")
    done = await asyncio.to_thread(lading, *COPY, "--dry-run", "--delete-source", cwd=tmp_path, environ=conf)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "would move from old to new: 3 (153 bytes)\n"
    assert (files(tmp_path / "old"), files(tmp_path / "new")) == (before, {})
    assert len(await documents_in(tmp_path, conf, "old")) == 3


@pytest.mark.gen_test(timeout=60)
async def test_each_failure_is_named(tmp_path: Path, conf: dict[str, str]) -> None:
    damaged, lost, whole = await fill(tmp_path, conf, 3)
    (tmp_path / "old" / damaged.storage_key).write_bytes(noise(50, 99))
    (tmp_path / "old" / lost.storage_key).unlink()
    done = await asyncio.to_thread(lading, *COPY, cwd=tmp_path, environ=conf)
    assert done.status == 1
    assert done.stdout.startswith("moved to new: 1 (1 copied, 0 already there); ")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for document, code in ((damaged, "[new] storage_content_mismatch"), (lost, "[old] storage_object_not_found")):
        begin = f"failed: image {document.image_id} of import {document.id}: {code}"
        assert [line for line in lines if line.startswith(begin)], lines
    assert files(tmp_path / "new").keys() == {whole.id}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--from", "old", "--to", "old"), 2, "name the same storage"),
        (
            ("--from", "old", "--to", "nowhere"),
            1,
            r"names no storage 'nowhere' \(it names new, old\); add it to others",
        ),
        (("--from", "memory", "--to", "old"), 1, "names no storage 'memory'"),
        (("--from", "old"), 2, "Missing option '--to'"),
        (("--from", "old", "--to", "new", "--concurrency", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_it_refuses(
    tmp_path: Path, conf: dict[str, str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = lading("storage", "copy", "--config", "service.conf", *arguments, cwd=tmp_path, environ=conf)
    assert (done.status, done.stdout) == (status, "")
    assert re.search(message, done.stderr)


def test_documents_in_memory_are_refused(tmp_path: Path, conf: dict[str, str]) -> None:
    done = lading(*COPY, cwd=tmp_path, environ={**conf, "LADING_DOCUMENTS__BACKEND": "memory"})
    assert (done.status, "cannot see the documents" in done.stderr) == (1, True)


@pytest.mark.gen_test(timeout=60)
async def test_one_place_under_two_names_loses_nothing(tmp_path: Path, conf: dict[str, str]) -> None:
    await fill(tmp_path, conf, 2)
    before = files(tmp_path / "old")
    (tmp_path / "new").symlink_to(tmp_path / "old")
    done = await asyncio.to_thread(lading, *COPY, "--delete-source", cwd=tmp_path, environ=conf)
    assert (done.status, done.stderr) == (1, "Error: old and new are the same place under two names\n")
    assert files(tmp_path / "old") == before
    assert len(await documents_in(tmp_path, conf, "old")) == 2


@pytest.mark.gen_test(timeout=60)
async def test_moving_out_of_the_storage_that_new_images_go_to_is_pointed_out(
    tmp_path: Path, conf: dict[str, str]
) -> None:
    await fill(tmp_path, conf, 1)
    environ: dict[str, Any] = {**conf, "LADING_STORAGE__BACKEND": "old"}
    done = await asyncio.to_thread(lading, *COPY, cwd=tmp_path, environ=environ)
    assert done.status == 0
    assert done.stderr == "Note: services still save new images in old, which is [storage] backend.\n"


def test_check_tries_every_storage(tmp_path: Path, conf: dict[str, str]) -> None:
    done = lading("check", "--config", "service.conf", cwd=tmp_path, environ=conf)
    assert (done.status, done.stderr) == (0, "")
    assert "images in new and old\n" in done.stdout
    (tmp_path / "blocked").write_text("a file")
    environ = {**conf, "LADING_STORAGE_OLD__PATH": str(tmp_path / "blocked" / "images")}
    done = lading("check", "--config", "service.conf", cwd=tmp_path, environ=environ)
    assert done.status == 1
    assert done.stderr.startswith("fault: [storage] old: ")
