"""One service, one origin and one browser for all tests of the page in a process; a tab for each test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from lading.plugins.testing.origin import Origin, origin_in_thread
from tests.e2e.clients.test_docs_page import browser as browser_program
from tests.page.browsing import FLAGS, Tab, opened_tab
from tests.page.origin import make_origin
from tests.support.servers import npm
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, environment, token

expect.set_options(timeout=30_000)  # how fast the machine is decides no test

OpenTab = Callable[..., AbstractContextManager[Tab]]


@dataclass
class Site:
    """A running service, and an origin that it may fetch from.

    Attributes:
        url: of the service.
        origin: the origin; its paths are those of ``make_origin``.
        process: the service; its log is in ``lines``.
    """

    url: str
    origin: Origin
    process: ServiceProcess
    images: Path

    def client(self, credentials: str | None = None) -> HttpClient:
        """A client of the API; an administrator's unless a token is given."""
        return HttpClient(self.url, credentials or token(admin=True))


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(folder, LADING_SERVICE__LOG_FORMAT="json", LADING_UPLOADS__DIRECTORY=str(folder / "uploads"))
    with (
        origin_in_thread(make_origin()) as origin,
        ServiceProcess(("serve", "--config", str(conf)), environ, folder) as process,
    ):
        url = process.wait_for("listening")["address"]
        yield Site(url, origin, process, folder / "images")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = browser_program()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of axe-core, which judges whether everybody can use the page."""
    folder = npm.install(tmp_path_factory.mktemp("axe"), "axe-core@4.14.1")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def open_tab(browser: Browser, site: Site) -> OpenTab:
    """Opens a tab; keywords are those of the browser's context, such as ``color_scheme``."""
    return partial(opened_tab, browser, site.url)


@pytest.fixture
def tab(open_tab: OpenTab) -> Iterator[Tab]:
    with open_tab() as opened:
        yield opened


@pytest.fixture(scope="package")
def shared_tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """A tab for tests that only call functions of a module of the page."""
    with opened_tab(browser, site.url) as opened:
        opened.page.goto(site.url)
        yield opened
