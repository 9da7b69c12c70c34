"""A page in a tab of the browser, and what must not happen there."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PICTURES: Final = Path(__file__).parents[2] / "docs" / "images"
_WATCH_POLICY: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_MARK: Final = "() => document.querySelector('main').focus()"
_MEET: Final = """
() => {
  const one = document.activeElement;
  one.dataset.met = "";
  return one.closest("main") !== null;
}
"""
_UNMET: Final = """
() => [...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary, [tabindex='0'])")]
  .filter((one) => one.checkVisibility() && one.tabIndex >= 0 && !("met" in one.dataset)).map((one) => one.outerHTML)
"""


@dataclass
class Tab:
    """A page of the browser, with what went wrong in it.

    Attributes:
        url: of the service.
        expected: texts of console errors that the test provokes; every other one is a fault.
        asked: every URL that the page asked for.
        faults: errors of the console and of scripts, reports of the policy, requests to other hosts.
    """

    page: Page
    url: str
    expected: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def sign_in(self, token: str, view: str = "") -> None:
        """Open the page by a link with a token, and then a view of it."""
        self.page.goto(f"{self.url}/#token={token}")
        self.page.locator("header.top .account").wait_for()
        if view:
            self.page.locator(f'nav a[data-view="{view}"]').click()

    def watch(self) -> None:
        """Note what goes wrong."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._asked)
        self.page.add_init_script(_WATCH_POLICY)

    def check(self) -> None:
        """Fail if anything went wrong."""
        assert [fault for fault in self.faults if not any(text in fault for text in self.expected)] == []

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith((f"{self.url}/", "blob:", "data:")):
            self.faults.append(f"foreign: {request.url}")


@contextmanager
def opened_tab(browser: Browser, url: str, **options: Any) -> Iterator[Tab]:
    """A tab of its own, with its own storage. When it closes, nothing may have gone wrong in it."""
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1100, "height": 800}, **options})
    context.set_default_timeout(30_000)
    try:
        tab = Tab(context.new_page(), url)
        tab.watch()
        yield tab
        tab.check()
    finally:
        context.close()


def violations(page: Page, axe: str) -> Sequence[str]:
    """What axe-core finds wrong with the page as it is now: each rule, with the elements that break it."""
    if not page.evaluate("() => typeof window.axe === 'object'"):
        page.evaluate(axe)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    broken = [(one["id"], node) for one in found["violations"] for node in one["nodes"]]
    return [f"{rule}: {node['target']} {node['failureSummary']}" for rule, node in broken]


def picture(page: Page, name: str, folder: Path) -> None:
    """Make a picture of the page, for the documentation if ``LADING_PICTURES`` is set."""
    if os.environ.get("LADING_PICTURES"):
        folder = PICTURES
        folder.mkdir(exist_ok=True)
    path = folder / f"page-{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size > 5000


def wait_in(page: Page, condition: Callable[[], object]) -> None:
    """Wait until something has come to pass; the page's own calls go on meanwhile."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def free_of_token(tab: Tab, token: str) -> None:
    """Assert that the token is in no URL that the browser asked for or shows."""
    assert [url for url in tab.asked if token in url.partition("#")[0]] == []
    assert token not in tab.page.url


def unmet_by_keyboard(page: Page) -> Sequence[str]:
    """What the Tab key has not met in the view, though a mouse could use it: the HTML of each element."""
    page.evaluate(_MARK)
    for _ in range(60):
        page.keyboard.press("Tab")
        if not page.evaluate(_MEET):
            break
    unmet: Sequence[str] = page.evaluate(_UNMET)
    return unmet
