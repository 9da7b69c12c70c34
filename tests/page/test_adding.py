"""Adding images: links in any text, lists, files, folders, a picture of the clipboard; and what is said of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, expect

from lading.plugins.testing.images import jpeg
from tests.client.terminal.links import LINKS
from tests.page.browsing import Tab, violations
from tests.page.conftest import OpenTab, Site
from tests.support.servers.processes import wait_until
from tests.support.servers.service import token

UPLOADER = token(album="holidays", abilities=("image_upload", "image_list", "image_download"))


def file(name: str, body: bytes, kind: str = "image/jpeg") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": body}


def choose(tab: Tab, *files: FilePayload) -> None:
    tab.page.locator("input[type=file]").first.set_input_files(list(files))


def submit(tab: Tab, name: str) -> None:
    tab.page.get_by_role("button", name=name, exact=True).click()


def rows(tab: Tab, state: str = "") -> Locator:
    return tab.page.locator(f'.item[data-state="{state}"]' if state else ".item")


def listed(site: Site, album: str) -> list[dict[str, Any]]:
    imports: list[dict[str, Any]] = site.client().get(f"/api/v1/imports?album_id={album}")[1]["imports"]
    return imports


@pytest.mark.parametrize(("text", "links"), LINKS)
def test_links_are_found_in_any_text(shared_tab: Tab, text: str, links: list[str]) -> None:
    module = "/page/test/add/links.js"
    found = shared_tab.page.evaluate(f"(text) => import('{module}').then((links) => links.findLinks(text))", text)
    assert found == links


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"url": "https://a.example"}\n\n{"url": "https://b.example"}', "application/x-ndjson"),
        ('[{"url": "https://a.example"}]', "application/json"),
        ("album_id;url;tags;metadata\na;https://a.example;;", "text/csv"),
        ("{not json} https://a.example", None),
        ("[1, 2] https://a.example", None),
        ("https://a.example", None),
    ],
)
def test_lists_are_known_by_their_form(shared_tab: Tab, text: str, kind: str | None) -> None:
    module = "/page/test/add/links.js"
    assert shared_tab.page.evaluate(f"(text) => import('{module}').then((links) => links.listType(text))", text) == kind


def test_links_and_files_with_all_that_is_said_of_them(open_tab: OpenTab, site: Site) -> None:
    photo, moved = site.origin.url("/photo.jpg"), site.origin.url("/moved.jpg")
    bodies = [jpeg(50 + number, 40, seed=number) for number in range(5)]
    with open_tab() as tab:
        tab.sign_in(token(album="described", abilities=("image_upload", "image_list")))
        page = tab.page
        expect(page.get_by_role("button", name="Import", exact=True)).to_have_attribute("aria-disabled", "true")
        page.get_by_role("button", name="Import", exact=True).click(force=True)
        expect(page.get_by_text("Paste a link or choose a file first.")).to_be_visible()
        page.get_by_label("Links", exact=True).fill(f"Look: {photo}, then ({moved}).")
        choose(tab, *(file(f"photo {number}.jpg", body) for number, body in enumerate(bodies)))
        choose(tab, file("empty.jpg", b""))
        expect(page.locator(".staged")).to_contain_text("The file is empty.")
        page.locator("summary").click()
        page.get_by_label("Tags", exact=True).fill("red, green")
        page.get_by_role("button", name="Add metadata").click()
        page.get_by_label("Name", exact=True).fill("trip")
        page.get_by_label("Value", exact=True).fill("Vienna")
        page.get_by_label("Min. width (px)", exact=True).fill("45")
        page.get_by_role("button", name="Do not add photo 4.jpg").click()
        submit(tab, "Import 2 links and 4 files")
        expect(rows(tab, "done")).to_have_count(6)
        assert page.evaluate("() => sessionStorage.getItem('lading-draft')").find("Look") == -1
    imports = listed(site, "described")
    for document in imports:
        assert document["params"]["metadata"] == {"trip": "Vienna"}
        assert document["params"]["tags"] == ["red", "green"]
        assert str(document["params"]["expect"]["min_width"]) == "45"
    assert {document["params"].get("url") for document in imports} == {photo, moved, None}
    stored = {path.read_bytes() for path in site.images.rglob("*") if path.is_file()}
    assert stored >= set(bodies[:4])
    assert bodies[4] not in stored


def test_the_name_of_a_single_file_can_be_another(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        tab.sign_in(token(album="named", abilities=("image_upload", "image_list")))
        choose(tab, file("DSC1.jpg", jpeg(30, 30)))
        tab.page.locator("summary").click()
        tab.page.get_by_label("File name", exact=True).fill("garden.jpg")
        submit(tab, "Import 1 file")
        expect(rows(tab, "done")).to_have_count(1)
    assert [document["params"]["filename"] for document in listed(site, "named")] == ["garden.jpg"]


def test_lists_pasted_and_chosen(open_tab: OpenTab, site: Site) -> None:
    photo = site.origin.url("/photo.jpg")
    csv = f'album_id;url;tags;metadata\nlists;{photo};a,b;{{"n": 1}}\nlists;ftp://a.example/b.jpg;;\nno columns\n'
    with open_tab() as tab:
        tab.sign_in(token(album="lists", abilities=("image_upload", "image_list")))
        tab.page.get_by_label("Links", exact=True).fill(json.dumps({"album_id": "lists", "url": photo}))
        expect(tab.page.get_by_text("This is a list of imports.")).to_be_visible()
        choose(tab, file("list.csv", csv.encode(), "text/csv"))
        submit(tab, "Import 2 lists")
        expect(tab.page.get_by_role("heading", name="list.csv")).to_be_visible()
        expect(rows(tab, "done")).to_have_count(2)
        expect(rows(tab, "failed")).to_have_count(2)
        expect(tab.page.get_by_text("The line has no semicolon")).to_be_visible()
        expect(tab.page.get_by_text(re.compile("Use http or https"))).to_have_count(0)
    assert sorted(str(one["params"].get("tags")) for one in listed(site, "lists")) == ["None", "['a', 'b']"]


PASTE = """
([plain, html, name, bytes]) => {
  const transfer = new DataTransfer();
  if (plain) transfer.setData("text/plain", plain);
  if (html) transfer.setData("text/html", html);
  if (name) transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
  document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
}
"""
DROP = """
([name, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"}));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}
"""


def test_pastes_and_drops(tab: Tab, site: Site) -> None:
    tab.sign_in(UPLOADER)
    links = tab.page.get_by_label("Links", exact=True)
    tab.page.evaluate(PASTE, ["text https://a.example/1.jpg", "", "", []])
    tab.page.evaluate(PASTE, ["a page", '<p><img src="https://a.example/2.jpg?a=1&amp;b=2"></p>', "", []])
    expect(links).to_have_value("text https://a.example/1.jpg\nhttps://a.example/2.jpg?a=1&b=2\n")
    tab.page.evaluate(PASTE, ["", "", "image.png", list(jpeg(20, 20))])
    tab.page.evaluate(DROP, ["dropped.jpg", list(jpeg(21, 20))])
    expect(tab.page.get_by_role("button", name="Import 2 links and 2 files")).to_be_visible()
    # Another view and a reload leave what was typed.
    tab.page.get_by_role("link", name="Watch").click()
    tab.page.get_by_role("link", name="Add", exact=True).click()
    expect(tab.page.get_by_role("button", name="Import 2 links and 2 files")).to_be_visible()
    tab.page.reload()
    expect(links).to_have_value("text https://a.example/1.jpg\nhttps://a.example/2.jpg?a=1&b=2\n")


def test_a_folder_without_what_it_holds_for_the_machine(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "trip" / "day").mkdir(parents=True)
    for name in ("trip/a.jpg", "trip/day/b.jpg", "trip/.DS_Store", "trip/day/Thumbs.db"):
        (tmp_path / name).write_bytes(jpeg(20, 20, seed=len(name)))
    tab.sign_in(UPLOADER)
    tab.page.locator("input[webkitdirectory]").set_input_files(tmp_path / "trip")
    expect(tab.page.locator(".staged .name")).to_have_text(["a.jpg", "b.jpg"])


def test_a_file_that_is_too_large_is_not_offered(tab: Tab) -> None:
    tab.sign_in(UPLOADER)
    tab.page.evaluate(DROP.replace("new Uint8Array(bytes)", "new Uint8Array(40e6)"), ["large.jpg", []])
    expect(tab.page.locator(".staged")).to_contain_text("Too large: this service takes 34 MB at most.")
    expect(tab.page.get_by_role("button", name="Import", exact=True)).to_have_attribute("aria-disabled", "true")


def test_a_token_that_ends_loses_nothing(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        tab.expected.append("status of 401")
        tab.sign_in(UPLOADER)
        tab.page.get_by_label("Links", exact=True).fill(site.origin.url("/photo.jpg"))
        # The service refuses the token while the page believes in it.
        tab.page.route("**/api/v1/imports/batch", lambda route: route.fulfill(status=401, json={}), times=1)
        submit(tab, "Import 1 link")
        box = tab.page.get_by_role("dialog", name="The service refuses this token")
        box.get_by_label("Token", exact=True).fill(
            token(album="holidays", abilities=("image_upload", "image_list", "see"))
        )
        box.get_by_role("button", name="Sign in").click()
        expect(rows(tab, "done")).to_have_count(1)


def test_everybody_can_add(open_tab: OpenTab, axe: str) -> None:
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            tab.sign_in(UPLOADER)
            tab.page.get_by_label("Links", exact=True).fill("https://a.example/b.jpg")
            choose(tab, file("a.jpg", jpeg(20, 20)), file("empty.jpg", b""))
            tab.page.locator("summary").click()
            tab.page.get_by_role("button", name="Add metadata").click()
            assert violations(tab.page, axe) == []
            assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 320


def test_the_keyboard_alone_adds_a_link(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        tab.sign_in(UPLOADER)
        tab.page.keyboard.press("Tab")
        expect(tab.page.get_by_role("button", name="Skip to the content")).to_be_focused()
        tab.page.keyboard.press("Enter")
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.insert_text(site.origin.url("/photo.jpg"))
        for _ in range(20):
            tab.page.keyboard.press("Tab")
            if tab.page.evaluate("() => document.activeElement.type") == "submit":
                break
        tab.page.keyboard.press("Enter")
        expect(rows(tab, "done")).to_have_count(1)
        wait_until(lambda: tab.page.evaluate("() => document.activeElement.tagName") == "MAIN")
