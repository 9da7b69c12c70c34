"""The application without a worker, its clock standing still, on every document store."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application

from lading.service.api.app import make_app
from lading.service.api.resources import Resources
from lading.service.config import load_all
from lading.service.imports.uploads.files import UploadFolder
from lading.service.runtime.api_wiring import make_resources
from lading.service.runtime.wiring import Parts, open_parts
from tests.support.clock import SettableClock
from tests.support.servers.service import CONF, Client, environment, token


@dataclass
class Assembled:
    """What a test may look into beside the HTTP surface."""

    parts: Parts
    resources: Resources
    accepted: list[None]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("memory", marks=pytest.mark.long_form),
        pytest.param("mongo", marks=pytest.mark.one_in(3)),
    ]
)
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "mongo":
        environ: dict[str, str] = request.getfixturevalue("mongo_environ_lent")
        return environ
    return {"LADING_DOCUMENTS__BACKEND": request.param}


@pytest.fixture
def assembled(io_loop: IOLoop, tmp_path: Path, clock: SettableClock, overrides: dict[str, str]) -> Iterator[Assembled]:
    conf = tmp_path / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    settings, components = load_all(conf, environment(tmp_path, **overrides))
    stack = AsyncExitStack()

    async def assemble() -> Assembled:
        parts = await stack.enter_async_context(open_parts(settings, components, clock))
        accepted: list[None] = []
        return Assembled(parts, make_resources(parts, lambda: accepted.append(None)), accepted)

    yield io_loop.run_sync(assemble)
    io_loop.run_sync(stack.aclose)


@pytest.fixture
def api_changes() -> dict[str, Any]:
    """Fields of ``Resources`` that a test module wants otherwise, by their dotted names."""
    return {}


def changed(value: Any, changes: dict[str, Any]) -> Any:
    """A frozen value with other fields, and with other fields of its fields."""
    for name, field in changes.items():
        first, _, rest = name.partition(".")
        value = replace(value, **{first: changed(getattr(value, first), {rest: field}) if rest else field})
    return value


@pytest.fixture
def app(assembled: Assembled, api_changes: dict[str, Any]) -> Application:
    assembled.resources = changed(assembled.resources, api_changes)
    return make_app(assembled.resources)


@pytest.fixture
def client(assembled: Assembled, http_client: object, base_url: str, clock: SettableClock) -> Client:
    return Client(base_url, token(clock))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where uploads are, for modules that use ``uploads_prepared``."""
    return tmp_path / "uploads"


@pytest.fixture
def uploads_prepared(io_loop: IOLoop, assembled: Assembled, folder: Path) -> None:
    io_loop.run_sync(assembled.parts.storage.ping)
    object.__setattr__(assembled.resources.uploads.uploads, "folder", UploadFolder(folder, 10 * 1024**3))
