"""A deletion whose process is killed at a step: no document claims bytes that are gone, and a retry completes it."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from lading.service.config import load_all
from lading.service.errors.catalogue import ApiError
from lading.service.models.clock import SystemClock
from lading.service.models.grants import Grant
from lading.service.runtime.api_wiring import make_resources
from lading.service.runtime.wiring import Parts, open_parts
from tests.support.images import noise, stored_in
from tests.support.servers.commands import running_module
from tests.support.servers.service import CONF, ISSUER, ORGANIZATION, environment

GRANT = Grant(issuer_id=ISSUER, organization_id=ORGANIZATION, token="", admin=True)
DATA = noise(5000)


@pytest.fixture(params=["sqlite", "mongo"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    documents: dict[str, str] = {}
    if request.param == "mongo":
        documents = request.getfixturevalue("mongo_environ")
    return environment(tmp_path, **documents)


async def delete_and_die(conf: Path, environ: dict[str, str], image_id: str, step: str) -> None:
    arguments = (str(conf), image_id, step)
    with running_module("tests.support.plugins.deleting_child", *arguments, environ=environ) as (child, _):
        assert await asyncio.to_thread(child.wait) == -signal.SIGKILL


async def content(parts: Parts, image_id: str) -> bytes:
    images = make_resources(parts, lambda: None).images.images
    found = await images.readable(GRANT, image_id)
    return b"".join([chunk async for chunk in images.read(found, found.whole)])


@pytest.mark.parametrize(
    ("step", "readable", "bytes_left", "purged"),
    [
        ("before mark", True, True, False),
        ("after mark", False, True, False),
        ("after bytes", False, False, False),
        ("after all", False, False, True),
    ],
)
@pytest.mark.gen_test(timeout=60)
async def test_killed(
    environ: dict[str, str], tmp_path: Path, step: str, readable: bool, bytes_left: bool, purged: bool
) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    settings, components = load_all(conf, environ)
    async with open_parts(settings, components, SystemClock()) as parts:
        found = await stored_in(parts, DATA)
    image_id = found.document.image_id or ""
    await delete_and_die(conf, environ, image_id, step)
    async with open_parts(settings, components, SystemClock()) as parts:
        document: Any = await parts.store.get_by_image(image_id)
        if readable:
            assert await content(parts, image_id) == DATA
        else:
            with pytest.raises(ApiError, match="image_deleted"):
                await content(parts, image_id)
        assert await parts.storage.exists(found.image.key) is bytes_left
        assert (document.image_deleted_at is None) is readable
        assert (document.image_purged_at is not None) is purged
        after = await make_resources(parts, lambda: None).images.images.delete(GRANT, image_id)
        assert after.image_purged_at is not None
        assert not await parts.storage.exists(found.image.key)
        assert await parts.store.get_by_image(image_id) == after
        if document.image_deleted_at is not None:
            assert after.image_deleted_at == document.image_deleted_at, "it was deleted when it was first said to be"
