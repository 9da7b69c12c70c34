"""Files on their way: a lost connection, a reload in the middle, a service that dies; every byte arrives, and once."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.page.browsing import wait_in
from tests.page.conftest import OpenTab, Site
from tests.page.origin import JPEG
from tests.page.test_adding import choose, file, listed, rows, submit
from tests.support.servers.processes import wait_until
from tests.support.servers.service import token


def bitmap(side: int, seed: int) -> bytes:
    """A picture of 3 * side * side bytes and 54 more."""
    size = 54 + 3 * side * side
    head = b"BM" + size.to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += side.to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    return head + bytes((seed + number) % 251 for number in range(3 * side)) * side


@dataclass
class BadLine:
    """A route that loses the first piece once, and holds each later piece.

    It stands before the first request: a route that is set up between two pieces may come too late for the second.
    """

    lost: int = 0
    held: list[Route] = field(default_factory=list)

    def __call__(self, route: Route) -> None:
        offset = route.request.headers.get("upload-offset") if route.request.method == "PATCH" else None
        if offset == "0" and not self.lost:
            self.lost += 1
            route.abort("connectionreset")
        elif offset not in (None, "0"):
            self.held.append(route)
        else:
            route.continue_()


def test_a_lost_connection_and_a_reload_lose_no_byte(open_tab: OpenTab, site: Site, tmp_path: Path) -> None:
    body = bitmap(2000, 3)  # two pieces
    path = tmp_path / "large.bmp"
    path.write_bytes(body)
    line = BadLine()
    with open_tab() as tab:
        tab.expected += ["ERR_CONNECTION_RESET", "ERR_FAILED"]
        tab.sign_in(token(album="interrupted", abilities=("image_upload", "image_list")))
        tab.page.route("**/api/v1/uploads/*", line)
        tab.page.locator("input[type=file]").first.set_input_files(path)
        submit(tab, "Import 1 file")
        # The second piece hangs; then the page is loaded again, and goes on where the service has stopped.
        expect(tab.page.locator(".item .state")).to_contain_text("Uploading")
        wait_in(tab.page, lambda: line.held)
        assert line.lost == 1
        line.held[0].abort()
        tab.page.unroute_all()
        tab.page.reload()
        expect(rows(tab, "done")).to_have_count(1)
        expect(tab.page.locator(".item .state")).to_have_text("Done · 2000 × 2000 · 12 MB")
        wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)
    assert [one["status"] for one in listed(site, "interrupted")] == ["done"]
    assert body in [found.read_bytes() for found in site.images.rglob("*") if found.is_file()]
    sent = [line for line in site.process.lines if line.get("method") == "PATCH"]
    assert json.dumps(sent).count('"status": 204') >= 2


@dataclass
class LostAnswers:
    """A route that lets the service create an upload, and loses its answer; later creations do not leave the browser.

    Attributes:
        is_open: whether later creations reach the service.
    """

    is_open: bool
    held: list[Route] = field(default_factory=list)

    def __call__(self, route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif not self.held:
            route.fetch()
            self.held.append(route)
        elif self.is_open:
            route.continue_()
        else:
            route.abort()


def test_an_upload_that_is_cancelled_while_it_is_created_does_not_wait_for_its_bytes(
    open_tab: OpenTab, site: Site
) -> None:
    for album, is_reloaded in (("recalled", False), ("recalled-later", True)):
        line = LostAnswers(is_open=not is_reloaded)
        with open_tab() as tab:
            tab.expected.append("ERR_FAILED")
            tab.sign_in(token(album=album, abilities=("image_upload", "image_list")))
            tab.page.route("**/api/v1/uploads", line)
            choose(tab, file("recalled.jpg", JPEG))
            submit(tab, "Import 1 file")
            wait_in(tab.page, lambda: line.held)  # noqa: B023 - called in this turn
            assert [one["status"] for one in listed(site, album)] == ["waiting"]
            tab.page.get_by_role("button", name="Cancel recalled.jpg").click()
            expect(rows(tab, "cancelled")).to_have_count(1)
            if is_reloaded:
                wait_until(lambda: tab.page.evaluate(_OWED) == 1)
                # Whoever takes the list away has cancelled the upload all the same.
                tab.page.get_by_role("button", name="Remove from this list").click()
                tab.page.unroute_all()
                tab.page.reload()
            wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)
        assert [one["status"] for one in listed(site, album)] == ["cancelled"]


def test_the_bytes_of_a_file_go_after_the_note_that_they_have_come(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        tab.page.add_init_script(_WATCH_RECORDS)
        tab.sign_in(token(album="noted", abilities=("image_upload", "image_list")))
        choose(tab, file("noted.jpg", JPEG), file("broken.jpg", b"no image"))
        tab.expected.append("status of 422")
        submit(tab, "Import 2 files")
        expect(rows(tab, "done")).to_have_count(1)
        expect(rows(tab, "failed")).to_have_count(1)
        wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)
        assert set(tab.page.evaluate("() => window.noted")) <= {"running", "done", "failed"}
        # As after a crash of the browser between the two: the service is asked before a file is missed.
        tab.page.evaluate(_FORGET, "uploading")
        tab.page.reload()
        expect(rows(tab, "done")).to_have_count(1)
        expect(rows(tab, "failed")).to_have_count(1)


def test_a_file_that_is_gone_is_told_only_if_the_service_waits_for_it(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        tab.expected.append("ERR_FAILED")
        tab.sign_in(token(album="missed", abilities=("image_upload", "image_list")))
        tab.page.route("**/api/v1/uploads/*", lambda route: route.abort())
        choose(tab, file("missed.jpg", JPEG))
        submit(tab, "Import 1 file")
        expect(tab.page.locator(".item .state")).to_have_text("Waits for the connection · 155 kB")
        tab.page.evaluate(_FORGET, "uploading")
        tab.page.unroute_all()
        tab.page.reload()
        expect(tab.page.get_by_text("The browser no longer has this file.")).to_be_visible()


def test_a_file_outlives_the_service_that_was_storing_it(open_tab: OpenTab, site: Site) -> None:
    """A service that dies while an import runs lets it wait for its bytes again, whatever the page knew of it."""
    held: list[Route] = []
    with open_tab() as tab:
        tab.sign_in(token(album="outlived", abilities=("image_upload", "image_list")))
        tab.page.route("**/api/v1/uploads/*", lambda route: route.continue_() if held else held.append(route))
        choose(tab, file("outlived.jpg", JPEG))
        submit(tab, "Import 1 file")
        wait_in(tab.page, lambda: held)
        (document,) = listed(site, "outlived")
        tab.page.evaluate(_TELL, {**document, "status": "running", "album_id": "outlived"})
        wait_until(lambda: tab.page.evaluate(_WRITTEN, document["id"]) == "running")
        tab.page.reload()
        expect(rows(tab, "done")).to_have_count(1)
        wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)


def test_files_that_belong_to_nothing_are_removed(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.sign_in(token(album="orphans", abilities=("image_upload",)))
        tab.page.evaluate(_ORPHAN)
        tab.page.reload()
        wait_until(lambda: tab.page.evaluate(_FILES_KEPT) == 0)


def test_a_file_that_the_browser_has_no_room_for_is_told_and_arrives(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        session = tab.page.context.new_cdp_session(tab.page)
        session.send("Storage.overrideQuotaForOrigin", {"origin": site.url, "quotaSize": 200_000})
        tab.sign_in(token(album="roomless", abilities=("image_upload", "image_list")))
        # The upload is held until the text was seen.
        tab.page.route("**/api/v1/uploads", lambda route: _wait_for_text(tab.page, route))
        choose(tab, file("large.bmp", bitmap(1000, 7)))
        submit(tab, "Import 1 file")
        expect(rows(tab, "done")).to_have_count(1)
    assert [one["status"] for one in listed(site, "roomless")] == ["done"]


def _wait_for_text(page: Page, route: Route) -> None:
    expect(page.get_by_text("no room to keep these").first).to_be_visible()
    route.continue_()


_WATCH_RECORDS = """
window.noted = [];
const states = new Map();
const { put, delete: remove } = IDBObjectStore.prototype;
IDBObjectStore.prototype.put = function (record) {
  if (this.name === "groups") for (const { id, state } of record.items) states.set(id, state);
  return put.call(this, record);
};
IDBObjectStore.prototype.delete = function (id) {
  if (this.name === "files") window.noted.push(states.get(id));
  return remove.call(this, id);
};
"""
"""Notes what the group on disk says of each file in the moment in which its bytes go."""

_FORGET = """
(state) => new Promise((resolve) => {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (record) { return this.get(record.id); };
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const changing = opening.result.transaction(["groups", "files"], "readwrite");
    changing.objectStore("files").clear();
    const reading = changing.objectStore("groups").getAll();
    reading.onsuccess = () => reading.result.forEach((group) => {
      group.items.forEach((item) => Object.assign(item, { state, seen: null }));
      put.call(changing.objectStore("groups"), group);
    });
    changing.oncomplete = resolve;
  };
})
"""
"""Removes all bytes, and gives all items a state; the page writes nothing any more."""

_TELL = """
async (told) => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "");
  const { groups } = await import(`${base}work/groups.js`);
  groups.take(told);
}
"""
"""Takes the document of an import as the stream of events tells it."""

_WRITTEN = """
(id) => new Promise((resolve) => {
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const reading = opening.result.transaction("groups").objectStore("groups").getAll();
    const found = () => reading.result.flatMap(({ items }) => items).find((one) => one.importId === id);
    reading.onsuccess = () => resolve(found()?.state);
  };
})
"""
"""The state of an import in what outlives a reload."""

_ORPHAN = """
() => new Promise((resolve) => {
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const writing = opening.result.transaction("files", "readwrite");
    writing.objectStore("files").put({ id: "orphan", key: "k", file: new File(["x"], "x.jpg"), metadata: [] });
    writing.oncomplete = resolve;
  };
})
"""

_OWED = """
() => new Promise((resolve) => {
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const reading = opening.result.transaction("files").objectStore("files").getAllKeys();
    reading.onsuccess = () => resolve(reading.result.filter((id) => id.startsWith("cancelled/")).length);
  };
})
"""

_FILES_KEPT = """
() => new Promise((resolve) => {
  const opening = indexedDB.open("lading");
  opening.onsuccess = () => {
    const counting = opening.result.transaction("files").objectStore("files").count();
    counting.onsuccess = () => resolve(counting.result);
  };
})
"""
