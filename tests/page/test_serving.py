"""How the page and its files are served, and that a tab of these tests notices what it must."""

import json
import re
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse

import pytest

from lading.service.api.page.files import page_files
from lading.service.api.page.handlers import POLICY
from tests.page.browsing import wait_in
from tests.page.conftest import OpenTab, Site

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def fetch(site: Site, path: str, headers: Mapping[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(site.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_a_browser_gets_the_page_and_a_program_what_it_has_always_got(site: Site) -> None:
    page, body = fetch(site, "/", HTML)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert (page.headers["Referrer-Policy"], page.headers["X-Content-Type-Options"]) == ("no-referrer", "nosniff")
    assert b"VERSION" not in body
    again, empty = fetch(site, "/", {**HTML, "If-None-Match": page.headers["ETag"]})
    assert (again.status, empty) == (304, b"")
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        other, problem = fetch(site, "/", headers)
        unknown, expected = fetch(site, "/unknown", headers)
        assert (other.status, json.loads(problem)["code"]) == (404, "not_found")
        same = [{**json.loads(text), "request_id": ""} for text in (problem, expected)]
        assert same[0] == same[1]
        assert other.headers.keys() == unknown.headers.keys()
        assert other.headers["Vary"] == unknown.headers["Vary"]


def test_its_files_are_kept_for_ever_under_the_version_of_this_release_alone(site: Site) -> None:
    _, body = fetch(site, "/", HTML)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
    files = page_files()
    assert set(loaded) >= {f"/page/{files.version}/{name}" for name in files.files if not name.endswith(".svg")}
    for path in set(loaded):
        answer, _ = fetch(site, path)
        assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    other, _ = fetch(site, "/page/of-another-release/main.js")
    assert (other.status, other.headers["Cache-Control"]) == (200, "no-cache")
    for path in ("none.js", "index.html", "..%2Ffiles.py", "style/none.css"):
        assert fetch(site, f"/page/{files.version}/{path}")[0].status == 404, path


def test_no_module_writes_markup() -> None:
    forbidden = re.compile(rb"(?:inner|outer|Adjacent)HTML|document\.write|\beval\(|new Function|setAttribute\(.style")
    assert [name for name, file in page_files().files.items() if forbidden.search(file.content)] == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("document.body.innerHTML = '<b>markup</b>'", "policy: require-trusted-types-for"),
        ("document.body.setAttribute('style', 'color: red')", "policy: style-src-attr"),
        ("fetch('http://127.0.0.1:9/').catch(() => {})", "policy: connect-src http://127.0.0.1:9/"),
        ("location.href = 'http://127.0.0.1:9/'", "foreign: http://127.0.0.1:9/"),
        ("console.error('oh')", "console: oh"),
        ("setTimeout(() => { throw new Error('thrown') })", "script: thrown"),
    ],
)
def test_a_tab_notices_what_goes_wrong(open_tab: OpenTab, site: Site, script: str, said: str) -> None:
    with open_tab() as tab:
        tab.page.goto(site.url)
        tab.page.evaluate(f"() => {{ try {{ {script} }} catch (error) {{}} }}")
        wait_in(tab.page, lambda: any(said in fault for fault in tab.faults))
        with pytest.raises(AssertionError):
            tab.check()
        tab.faults.clear()
