"""The documentation as a site: it builds without a warning, and its pages ask no other host for anything."""

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lading.client import Client

ROOT = Path(__file__).parents[2]
LOADED = frozenset({"audio", "embed", "iframe", "img", "script", "source", "video"})
"""Elements whose ``src`` a browser loads without being asked."""
ELSEWHERE = re.compile(r"(?:https?:)?//")


class Requests(HTMLParser):
    """What a browser that shows a page loads, and whether the page has a Mermaid diagram."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.has_diagram = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found.append(given.get("src" if tag in LOADED else "href" if tag == "link" else "", ""))
        self.has_diagram |= "mermaid" in given.get("class", "").split()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_builds_strictly_and_every_page_is_in_it(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    built = {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}
    assert len(pages) > 10
    assert pages <= built


def test_the_command_line_is_told_as_lading_tells_it(site: Path) -> None:
    page = html.unescape((site / "reference" / "command-line.html").read_text(encoding="utf-8"))
    told = " ".join(re.sub(r"<[^>]+>", "", page).split())  # click wraps what is long
    for command in (
        "lading storage copy [OPTIONS]",
        "lading issuer rotate [OPTIONS] ISSUER_ID",
        "Time for which the token is valid: 90s, 15m, 4h, 30d.",
    ):
        assert command in told
    assert "Sentinel" not in told


def test_every_method_of_the_client_is_on_its_page(site: Path) -> None:
    page = (site / "reference" / "python-client.html").read_text(encoding="utf-8")
    methods = [name for name in dir(Client) if not name.startswith("_")]
    assert len(methods) > 30
    assert [name for name in methods if f'.{name}"' not in page] == []


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert [address for address in Requests(page).found if ELSEWHERE.match(address)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_pages_with_a_diagram_draw_it_with_a_script_of_the_site(site: Path) -> None:
    # The theme loads the script from its author's host where the page has none.
    diagrams = 0
    for page in site.rglob("*.html"):
        requests = Requests(page)
        scripts = [page.parent / address for address in requests.found if address.endswith("mermaid.min.js")]
        assert len(scripts) == requests.has_diagram, page
        assert all(script.stat().st_size > 1_000_000 for script in scripts)
        diagrams += requests.has_diagram
    assert diagrams
