"""One service and one origin for all tests of this folder, and a client of either kind."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lading.client import Retry
from tests.client.both import KINDS, Api, opened
from tests.docs.pages.stand_ins import fill_origin
from tests.support.servers.cutting_proxy import CuttingProxy, cutting_proxy
from tests.support.servers.processes import ServiceProcess, origin_process
from tests.support.servers.service import CONF, environment, token

ALBUM = "imported_album"
ABILITIES = ("image_upload", "image_list", "image_download", "image_delete", "webhook_manage")
QUICK = Retry(attempts=5, seconds=30.0, first_pause=0.01, longest_pause=0.1)


@dataclass(frozen=True)
class Place:
    """A running service, and an origin that it may fetch from."""

    url: str
    origin: str

    @property
    def photo(self) -> str:
        return f"{self.origin}/photo.jpg"

    @property
    def page(self) -> str:
        return f"{self.origin}/page.html"


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("client")
    files = folder / "origin"
    files.mkdir()
    fill_origin(files)
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(
        folder,
        LADING_SERVICE__LOG_FORMAT="json",
        LADING_UPLOADS__DIRECTORY=str(folder / "uploads"),
        LADING_AUTH__LEEWAY="0",
    )
    with (
        origin_process(files) as origin,
        ServiceProcess(("serve", "--config", str(conf)), environ, folder) as service,
    ):
        yield Place(service.wait_for("listening")["address"], origin)


@pytest.fixture(scope="session")
def photo() -> bytes:
    """The bytes of an image of 49 KB."""
    return (Path(__file__).parents[2] / "service/cli/demo/sample.jpg").read_bytes()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(kind: str) -> Iterator[Callable[..., Api]]:
    """Makes clients of the kind, which are closed after the test."""
    with ExitStack() as stack:

        def made(url: str, own_token: Any = None, **options: Any) -> Api:
            given = token(abilities=ABILITIES) if own_token is None else own_token
            return stack.enter_context(opened(kind, url, given, **{"retry": QUICK, **options}))

        yield made


@pytest.fixture
def api(connect: Callable[..., Api], place: Place) -> Api:
    """A client that may do everything in the album."""
    return connect(place.url)


@pytest.fixture
def proxy(place: Place) -> Iterator[CuttingProxy]:
    address = urlsplit(place.url)
    with cutting_proxy((address.hostname or "", address.port or 0)) as running:
        yield running


@pytest.fixture
def harmed(connect: Callable[..., Api], proxy: CuttingProxy) -> Api:
    """A client whose requests pass the proxy."""
    return connect(proxy.url)
