"""An attempt with a processor whose process is killed at a step: the next attempt stores the processed image, once, and
nothing else is left.
"""

import asyncio
import hashlib
import json
import signal
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lading.service.config import load_all
from lading.service.models import Import, Status
from lading.service.models.clock import SystemClock
from lading.service.runtime.wiring import make_worker, open_parts
from tests.support.plugins.processing_child import OVERRIDES, STEPS, overrides
from tests.support.plugins.scripted import make_import
from tests.support.servers.commands import running_module
from tests.support.servers.service import CONF
from tests.unit.plugins.processors.photos import SECRET, photo

PHOTO = photo("JPEG", 6).data
URL = "data:image/jpeg;base64," + b64encode(PHOTO).decode()


def files(folder: Path) -> dict[Path, bytes]:
    """Everything in the storage and among the spools."""
    found = [path for place in ("images", "spool") for path in (folder / place).rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in found}


def stored(folder: Path) -> list[Path]:
    """The objects that are visible."""
    return [path for path in files(folder) if not any(part.startswith(".") for part in path.parts)]


async def prepare(folder: Path, more: Mapping[str, str]) -> str:
    """Queue an import; its id.

    Args:
        folder: of the step.
        more: its document store, where that is not a file in the folder.
    """
    (folder / "spool").mkdir(parents=True)
    (folder / OVERRIDES).write_text(json.dumps(dict(more)), encoding="utf-8")
    (folder / "service.conf").write_text(CONF, encoding="utf-8")
    settings, components = load_all(folder / "service.conf", overrides(folder))
    async with open_parts(settings, components, SystemClock()) as parts:
        base = make_import(parts.clock)
        await parts.store.add(replace(base, host="", params={**base.params, "url": URL}))
    return base.id


async def repeat(folder: Path, import_id: str) -> Import:
    """The service starts again: the import as it ends."""
    settings, components = load_all(folder / "service.conf", overrides(folder))
    async with open_parts(settings, components, SystemClock()) as parts:
        await parts.storage.ping()
        await parts.store.recover(10)
        await parts.store.register("next", timedelta(hours=1))
        for document in await parts.store.claim("next", 1):
            await make_worker(parts, "next")._attempts.run(document)
        done = await parts.store.get(import_id)
    assert done is not None
    return done


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.long_form)])
def stores(request: pytest.FixtureRequest) -> Iterator[list[dict[str, str]]]:
    """What each step keeps its document in: a database of its own."""
    if request.param == "sqlite":
        yield [{} for _ in STEPS]
        return
    environ: dict[str, str] = request.getfixturevalue("mongo_environ")
    name = environ["LADING_DOCUMENTS_MONGO__DATABASE"]
    names = [f"{name}-{number}" for number in range(len(STEPS))]
    yield [{**environ, "LADING_DOCUMENTS_MONGO__DATABASE": one} for one in names]
    with request.getfixturevalue("mongo_set").client() as client:
        for one in names:
            client.drop_database(one)


@pytest.mark.gen_test(timeout=120)
async def test_killed_at_every_step(stores: Sequence[Mapping[str, str]], tmp_path: Path) -> None:
    folders = [tmp_path / step for step in STEPS]
    ids = [await prepare(folder, more) for folder, more in zip(folders, stores, strict=True)]
    with running_module("tests.support.plugins.processing_child", *map(str, folders)) as (child, printed):
        ends = await asyncio.to_thread(printed.read)
        assert await asyncio.to_thread(child.wait) == 0
    statuses = [line for line in ends.splitlines() if line.startswith("-")]  # among lines of the log
    assert statuses == [str(-signal.SIGKILL)] * len(STEPS)
    for folder, import_id in zip(folders, ids, strict=True):
        is_stored = folder.name in ("object is stored", "result is written")
        assert len(stored(folder)) == is_stored, folder.name
        done = await repeat(folder, import_id)
        (kept,) = files(folder).values()
        assert SECRET not in kept
        assert done.status is Status.DONE, folder.name
        assert done.image is not None
        assert done.image.sha256 == hashlib.sha256(kept).hexdigest()
        assert done.image.source_sha256 == hashlib.sha256(PHOTO).hexdigest()
        assert done.image.byte_size == len(kept)
        assert (done.abandoned, done.leftover_keys) == (folder.name != "result is written", ())
