"""A service whose mirror goes away and comes back, on real files: no import waits, and no second copy is forgotten."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from lading.service.storages import backfill, mirror
from tests.e2e.imports.test_outcomes import imported
from tests.e2e.storages.test_storage_copy import ALL, files, fill, two_disks
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import CONF, Client, environment, running_service, token

DATA = images.jpeg(64, 48)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def overrides(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """New images go to ``new``, and their second copies to ``old``."""
    documents = request.getfixturevalue("mongo_environ") if request.param == "mongo" else {}
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return two_disks(tmp_path, LADING_STORAGE__MIRROR="old", **documents)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "PAUSE", 0.05)
    monkeypatch.setattr(backfill, "INTERVAL", 0.05)
    monkeypatch.setattr(backfill, "AGE", timedelta())


async def command(folder: Path, overrides: dict[str, str], *arguments: str) -> Finished:
    environ = environment(folder, **overrides)
    return await asyncio.to_thread(
        lading, "storage", *arguments, "--config", "service.conf", cwd=folder, environ=environ
    )


async def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


BOTH_HAVE_SIX = (
    "new: 6 objects, 6 images by the documents; nothing wrong\n"
    "old: 6 objects, 6 images by the documents; nothing wrong\n"
)


@pytest.mark.gen_test(timeout=100)
async def test_an_outage_of_the_mirror(tmp_path: Path, overrides: dict[str, str]) -> None:
    new, old, away = (tmp_path / name for name in ("new", "old", "away"))
    async with Origin({"/a": answer(DATA)}) as origin:
        async with running_service(tmp_path, None, **overrides) as running:
            client = Client(running.url, token(abilities=ALL))
            before = await imported(client, origin.url("/a"))
            assert files(new) == files(old) == {before["id"]: DATA}

            old.rename(away)
            during = [await imported(client, origin.url("/a")) for _ in range(5)]
            assert len(files(new)) == 6
            for one in during:
                content = await client.fetch(f"/api/v1/images/{one['image_id']}/content")
                assert (content.code, content.body) == (200, DATA)
            path = f"/api/v1/images/{during[0]['image_id']}"
            assert (await client.fetch(path, method="DELETE")).code == 503, "its second copy may be there"
            assert (await client.fetch(f"{path}/content")).code == 410

            away.rename(old)
            assert (await client.fetch(path, method="DELETE")).code == 204
            await wait_until(lambda: len(files(old)) == 5)
            assert files(new) == files(old)
            old.rename(away)
            await imported(client, origin.url("/a"))
        # It ends with a copy pending; the next one makes it.
        away.rename(old)
        assert len(files(old)) == 5
        async with running_service(tmp_path, None, **overrides):
            await wait_until(lambda: len(files(old)) == 6)
            # The copy is there before its document says so.
            while (audit := await command(tmp_path, overrides, "audit", "--verify")).stdout != BOTH_HAVE_SIX:
                assert (audit.status, audit.stderr) == (0, "")
    assert files(new) == files(old)


@pytest.mark.gen_test(timeout=100)
async def test_the_mirror_takes_over_from_a_lost_disk(tmp_path: Path, overrides: dict[str, str]) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    async with Origin({"/a": answer(DATA)}) as origin, running_service(tmp_path, None, **overrides) as running:
        client = Client(running.url, token(abilities=ALL))
        documents = [await imported(client, origin.url("/a")) for _ in range(3)]
        new.rename(tmp_path / "lost")
        for one in documents:
            content = await client.fetch(f"/api/v1/images/{one['image_id']}/content")
            assert (content.code, content.body) == (200, DATA)
    after = {**overrides, "LADING_STORAGE__BACKEND": "old", "LADING_STORAGE__MIRROR": ""}
    after["LADING_STORAGE_NEW__PATH"] = "/proc/no/such/disk"
    moved = await command(tmp_path, after, "copy", "--from", "new", "--to", "old")
    assert moved.status == 0
    assert moved.stdout.startswith("moved to old: 3 (0 copied, 3 already there); ")
    assert moved.stderr.startswith("Note: only images that old already has can move: [new] ")
    after = {name: value for name, value in after.items() if "_NEW__" not in name} | {"LADING_STORAGE__OTHERS": ""}
    async with running_service(tmp_path, None, **after) as running:
        client = Client(running.url, token(abilities=ALL))
        path = f"/api/v1/images/{documents[0]['image_id']}"
        assert (await client.fetch(f"{path}/content")).body == DATA
        assert (await client.fetch(path, method="DELETE")).code == 204
    assert len(files(old)) == 2


@pytest.mark.gen_test(timeout=60)
async def test_images_of_before_the_mirror_are_copied_by_command(tmp_path: Path, overrides: dict[str, str]) -> None:
    swapped = {**overrides, "LADING_STORAGE__BACKEND": "old", "LADING_STORAGE__MIRROR": "new"}
    documents = await fill(tmp_path, environment(tmp_path, **swapped), 4)
    (tmp_path / "old" / documents[0].storage_key).unlink()
    done = await command(tmp_path, swapped, "mirror")
    assert done.status == 1
    assert done.stdout.startswith("second copies in new: 3 (3 copied, 0 already there); ")
    assert done.stderr.startswith(f"failed: image {documents[0].image_id} of import {documents[0].id}: [old] ")
    assert files(tmp_path / "new") == files(tmp_path / "old")
    again = await command(tmp_path, swapped, "mirror", "--concurrency", "1")
    assert again.stdout.startswith("second copies in new: 0 (0 copied, 0 already there); ")
    third = {
        "LADING_STORAGE__MIRROR": "third",
        "LADING_STORAGE__OTHERS": "old, new, third",
        "LADING_STORAGE_THIRD__PLUGIN": "local",
        "LADING_STORAGE_THIRD__PATH": str(tmp_path / "third"),
    }
    changed = await command(tmp_path, {**swapped, **third}, "mirror")
    assert changed.stdout.startswith("second copies in third: 3 (3 copied, 0 already there); ")
    assert files(tmp_path / "third") == files(tmp_path / "old")
    assert files(tmp_path / "new") == {}
    none = await command(tmp_path, {**overrides, "LADING_STORAGE__MIRROR": ""}, "mirror")
    assert (none.status, none.stderr) == (1, "Error: [storage] mirror names no storage\n")
