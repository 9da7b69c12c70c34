"""Files on their way: a lost connection, a reload in the middle, a service that dies; every byte arrives, and once."""

import json
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.page.conftest import OpenTab, Site
from tests.page.test_adding import listed, rows, submit
from tests.support.servers.processes import wait_until
from tests.support.servers.service import token


def bitmap(side: int, seed: int) -> bytes:
    """A picture of 3 * side * side bytes and 54 more."""
    size = 54 + 3 * side * side
    head = b"BM" + size.to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += side.to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    return head + bytes((seed + number) % 251 for number in range(3 * side)) * side


def test_a_lost_connection_and_a_reload_lose_no_byte(open_tab: OpenTab, site: Site, tmp_path: Path) -> None:
    body = bitmap(2000, 3)  # two pieces
    path = tmp_path / "large.bmp"
    path.write_bytes(body)
    held: list[Route] = []
    with open_tab() as tab:
        tab.expected += ["ERR_CONNECTION_RESET", "ERR_FAILED"]
        tab.sign_in(token(album="interrupted", abilities=("image_upload", "image_list")))
        tab.page.route("**/api/v1/uploads/*", lambda route: _lose(route, "0"), times=1)
        tab.page.locator("input[type=file]").first.set_input_files(path)
        submit(tab, "Import 1 file")
        # The second piece hangs; then the page is loaded again, and goes on where the service has stopped.
        tab.page.unroute_all()
        tab.page.route("**/api/v1/uploads/*", lambda route: _hold(route, held))
        expect(tab.page.locator(".item .state")).to_contain_text("Uploading")
        while not held:
            tab.page.wait_for_timeout(50)
        held[0].abort()
        tab.page.unroute_all()
        tab.page.reload()
        expect(rows(tab, "done")).to_have_count(1)
        expect(tab.page.locator(".item .state")).to_have_text("Done · 2000 × 2000 · 12 MB")
        wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)
    assert [one["status"] for one in listed(site, "interrupted")] == ["done"]
    assert body in [found.read_bytes() for found in site.images.rglob("*") if found.is_file()]
    sent = [line for line in site.process.lines if line.get("method") == "PATCH"]
    assert json.dumps(sent).count('"status": 204') >= 2


_FILES_KEPT = """
() => new Promise((resolve) => {
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const counting = opening.result.transaction("files").objectStore("files").count();
    counting.onsuccess = () => resolve(counting.result);
  };
})
"""


def _lose(route: Route, offset: str) -> None:
    if route.request.method == "PATCH" and route.request.headers["upload-offset"] == offset:
        route.abort("connectionreset")
    else:
        route.continue_()


def _hold(route: Route, held: list[Route]) -> None:
    if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
        held.append(route)
    else:
        route.continue_()
