"""Finding imports: albums, filters, selection by keyboard and pointer, and what is done with the selected ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import answer
from tests.page.browsing import violations, wait_in
from tests.page.conftest import OpenTab, Site
from tests.support.servers.service import token

JPEG = {"Content-Type": "image/jpeg"}
ALBUMS = ("beach", "city")
EVERYTHING = ("image_upload", "image_list", "image_download", "image_delete")
OWNER = token(album="beach", abilities=EVERYTHING)


def tiles(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Imports").get_by_role("option")


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("option", name=re.compile(f"^{re.escape(name)} "))


def found(page: Page, text: str) -> None:
    expect(page.locator("main").get_by_role("status").first).to_have_text(text)


def make(site: Site, path: str, **params: str) -> str:
    """Create an import of a path of the origin; ``metadata__trip`` stands for ``metadata[trip]``."""
    named = {name.replace("__", "[") + "]" * ("__" in name): value for name, value in params.items()}
    return site.client().accepted(urlencode({"url": site.origin.url(path), **named}))


@pytest.fixture(scope="module")
def images(site: Site) -> Mapping[str, str]:
    """Imports in two albums, by name: five images, and one import that fails until its origin has the image."""
    made = {}
    for number in range(5):
        path, album = f"/f{number}.jpg", ALBUMS[number == 4]
        site.origin.routes[path] = answer(jpeg(90 + number, 60, seed=number), headers=JPEG)
        made[path[1:]] = make(site, path, album_id=album, metadata__trip=f"trip {number}")
    made["gone.jpg"] = make(site, "/gone.jpg", album_id="beach", metadata__trip="trip 9")
    for one in made.values():
        site.client().final(one)
    return made


def test_albums_and_filters(open_tab: OpenTab, site: Site, images: Mapping[str, str]) -> None:
    with open_tab() as tab:
        tab.sign_in(token(admin=True), "find")
        page = tab.page
        expect(tile(page, "f4.jpg")).to_be_visible()
        strip = page.get_by_role("list", name="Albums")
        expect(strip.get_by_role("button", name="beach")).to_have_text("beach5 imports")
        strip.get_by_role("button", name="beach").click()
        found(page, "5 found")
        expect(page.get_by_label("Album", exact=True)).to_have_value("beach")
        expect(page.get_by_role("button", name="beach")).to_have_attribute("aria-pressed", "true")
        expect(tiles(page).locator("img")).to_have_count(4)
        page.get_by_label("State", exact=True).select_option("failed")
        found(page, "1 found")
        expect(tile(page, "gone.jpg")).to_have_accessible_name(
            "gone.jpg Failed The origin has no such image (status 404)."
        )
        page.get_by_label("State", exact=True).select_option("")
        page.get_by_label("Search", exact=True).fill("TRIP f2.")
        found(page, "1 found, of 5 looked at")
        page.get_by_label("Search", exact=True).fill("origin_not")
        expect(tiles(page)).to_have_count(1)
        expect(tile(page, "gone.jpg")).to_be_visible()
        page.get_by_label("Search", exact=True).fill("")
        page.get_by_text("More filters").click()
        page.get_by_label("Metadata name", exact=True).fill("trip")
        page.get_by_label("Metadata value", exact=True).fill("trip 1")
        found(page, "1 found")
        expect(tile(page, "f1.jpg")).to_be_visible()
        page.get_by_label("Metadata name", exact=True).fill("")
        page.get_by_label("Created until", exact=True).fill("2020-01-01")
        found(page, "0 found")
        expect(page.get_by_text("No imports match these filters.")).to_be_visible()
        # The filters stay when another view was shown.
        page.get_by_role("link", name="Watch").click()
        page.get_by_role("link", name="Find").click()
        expect(page.get_by_label("Created until", exact=True)).to_have_value("2020-01-01")
        page.get_by_role("button", name="All albums").click()
        found(page, "0 found")


def test_more_albums_are_shown_when_somebody_asks(open_tab: OpenTab) -> None:
    pages = {"": ("a", 25, "2"), "2": ("b", 25, "3"), "3": ("c", 1, None)}

    def answer_page(route: Route) -> None:
        name, count, following = pages[dict(parse_qsl(urlsplit(route.request.url).query)).get("cursor", "")]
        link = {} if following is None else {"Link": f'</api/v1/albums?cursor={following}>; rel="next"'}
        facts = {"import_count": 1000, "is_exact": False, "newest_at": "2026-02-03T04:05:06.789+00:00"}
        albums = [{"album_id": f"{name}{number}", **facts} for number in range(count)]
        route.fulfill(json={"albums": albums}, headers=link)

    with open_tab() as tab:
        tab.page.route("**/api/v1/albums?*", answer_page)
        tab.sign_in(token(admin=True), "find")
        albums = tab.page.get_by_role("list", name="Albums").get_by_role("button")
        expect(albums).to_have_count(52)
        expect(albums.nth(50)).to_have_text("b241,000 imports or more")
        tab.page.get_by_role("button", name="More albums").click()
        expect(albums).to_have_count(52)
        expect(albums.last).to_have_text("c01,000 imports or more")


def test_newer_imports_are_offered_and_states_change_by_themselves(open_tab: OpenTab, site: Site) -> None:
    site.client().final(make(site, "/photo.jpg", album_id="newer"))
    with open_tab() as tab:
        tab.page.clock.install()
        tab.sign_in(token(album="newer", abilities=EVERYTHING), "find")
        page = tab.page
        expect(tiles(page)).to_have_count(1)
        waiting = site.client().accepted("album_id=newer&filename=waits.jpg")
        page.clock.run_for(5000)
        page.get_by_role("button", name="Show newer imports").click()
        expect(tile(page, "waits.jpg")).to_have_accessible_name("waits.jpg Waiting for upload")
        path = f"{site.url}/api/v1/imports/{waiting}/cancel"
        assert page.request.post(path, headers={"Authorization": f"Bearer {token(admin=True)}"}).ok
        page.clock.run_for(5000)
        expect(tile(page, "waits.jpg")).to_have_accessible_name("waits.jpg Cancelled")


def test_the_keyboard_alone_selects_retries_and_deletes(open_tab: OpenTab, site: Site) -> None:
    credentials = token(album="keys", abilities=EVERYTHING)
    for name in ("/k.jpg", "/photo.jpg", "/photo.jpg"):
        site.client().final(make(site, name, album_id="keys"))
    site.client().accepted("album_id=keys&filename=waits.jpg")
    with open_tab() as tab:
        tab.sign_in(credentials, "find")
        page, press = tab.page, tab.page.keyboard.press
        expect(tiles(page)).to_have_count(4)
        page.get_by_text("More filters").focus()
        press("Tab")
        expect(page.get_by_role("listbox")).to_be_focused()
        bar = page.get_by_role("region", name="Selected imports")
        press("Space")
        expect(bar).to_contain_text("1 selected")
        press("Shift+End")
        expect(bar).to_contain_text("4 selected")
        press("Escape")
        expect(bar).to_be_hidden()
        # The failed import, once its origin has the image.
        press("Space")
        expect(page.locator(".tile.active")).to_have_accessible_name(re.compile("k.jpg Failed"))
        site.origin.routes["/k.jpg"] = answer(jpeg(30, 20), headers=JPEG)
        press("Tab")
        expect(bar.get_by_role("button", name="Try again")).to_be_focused()
        press("Enter")
        expect(tile(page, "k.jpg")).to_have_accessible_name(re.compile("k.jpg Done ?30 × 20"), timeout=15_000)
        page.get_by_role("listbox").focus()
        press("Control+a")
        expect(bar).to_contain_text("4 selected")
        bar.get_by_role("button", name="Cancel import").press("Enter")
        expect(tile(page, "waits.jpg")).to_have_accessible_name("waits.jpg Cancelled")
        page.get_by_role("listbox").focus()
        press("Delete")
        box = page.get_by_role("dialog", name="Delete 4 imports?")
        expect(box.get_by_role("button", name="Cancel")).to_be_focused()
        press("Enter")
        expect(box).to_be_hidden()
        expect(tiles(page)).to_have_count(4)
        press("Delete")
        box.get_by_role("button", name="Delete 4").press("Enter")
        expect(page.get_by_text("No imports match these filters.")).to_be_visible()
        expect(bar).to_be_hidden()
    assert site.client(credentials).get("/api/v1/imports?album_id=keys") == (200, {"imports": []})


def test_the_pointer_selects_and_whatever_is_selected_is_downloaded_and_linked(
    open_tab: OpenTab, site: Site, images: Mapping[str, str]
) -> None:
    with open_tab(permissions=["clipboard-read", "clipboard-write"]) as tab:
        tab.sign_in(OWNER, "find")
        page = tab.page
        tile(page, "f0.jpg").click(modifiers=["Control"])
        tile(page, "f3.jpg").click(modifiers=["Shift"])
        bar = page.get_by_role("region", name="Selected imports")
        expect(bar).to_contain_text("4 selected")
        tile(page, "f1.jpg").click()
        tile(page, "f2.jpg").click()
        expect(bar).to_contain_text("2 selected")
        names = []
        page.on("download", lambda one: names.append((one.suggested_filename, Path(one.path()).read_bytes())))
        bar.get_by_role("button", name="Download 2").click()
        expect(page.locator('body > [role="status"]')).to_have_text("2 images downloaded.")
        wait_in(page, lambda: len(names) >= 2)
        assert sorted(names) == [("f0.jpg", jpeg(90, 60, seed=0)), ("f3.jpg", jpeg(93, 60, seed=3))]
        bar.get_by_role("button", name="Copy links").click()
        links = page.evaluate("() => navigator.clipboard.readText()").split("\n")
        assert sorted(links) == sorted(f"{site.url}/#find/{images[name]}" for name in ("f0.jpg", "f3.jpg"))
        page.goto("about:blank")
        page.goto(links[0])
        expect(page.get_by_role("dialog", name=re.compile("f[03].jpg"))).to_be_visible()


def test_details_say_everything(open_tab: OpenTab, site: Site, images: Mapping[str, str]) -> None:
    with open_tab() as tab:
        tab.sign_in(OWNER, "find")
        page = tab.page
        tile(page, "f2.jpg").click()
        box = page.get_by_role("dialog", name="f2.jpg")
        image = site.client().document(images["f2.jpg"])["image"]
        facts = ("Done", "beach", site.origin.url("/f2.jpg"), "JPEG (image/jpeg)", "92 × 60", "upright")
        for text in (*facts, image["sha256"]):
            expect(box.get_by_text(text, exact=True)).to_be_visible()
        expect(box.get_by_role("row", name="trip trip 2")).to_be_visible()
        expect(box.get_by_role("img", name="f2.jpg")).to_be_visible()
        box.get_by_role("button", name="Show the attempts").click()
        page.get_by_role("heading", name=re.compile("Attempt 1: done after")).wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        expect(page.get_by_role("listbox")).to_be_focused()
        tile(page, "gone.jpg").click()
        box = page.get_by_role("dialog", name="gone.jpg")
        expect(box.get_by_text("Check the path")).to_be_visible()
        expect(box.get_by_text("There is no picture.")).to_be_visible()
        site.origin.routes["/gone.jpg"] = answer(jpeg(31, 21), headers=JPEG)
        box.get_by_role("button", name="Try again").click()
        expect(box.get_by_role("img", name="gone.jpg")).to_be_visible(timeout=15_000)
        box.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog", name="Delete 1 import?").get_by_role("button", name="Delete").click()
        expect(box).to_be_hidden()
        expect(tile(page, "gone.jpg")).to_have_count(0)


def test_whatever_the_token_does_not_allow_is_not_offered(open_tab: OpenTab, images: Mapping[str, str]) -> None:
    with open_tab() as tab:
        tab.sign_in(token(album="city", abilities=("see",)), "find")
        page = tab.page
        expect(tiles(page)).to_have_count(1)
        expect(page.get_by_role("list", name="Albums").get_by_role("button")).to_have_text(
            ["All albums", "city1 import"]
        )
        page.get_by_role("listbox").focus()
        page.keyboard.press("Space")
        bar = page.get_by_role("region", name="Selected imports")
        expect(bar.get_by_role("button")).to_have_text(["Copy link", "Select none"])
        page.keyboard.press("Enter")
        box = page.get_by_role("dialog", name="f4.jpg")
        expect(box.get_by_role("button")).to_have_text(["×", "Copy link", "Show the attempts"])
    with open_tab() as tab:
        tab.sign_in(token(album="city", abilities=("image_upload",)))
        expect(tab.page.locator('nav a[data-view="find"]')).to_have_count(0)


def test_everybody_can_find(open_tab: OpenTab, images: Mapping[str, str], axe: str) -> None:
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            tab.sign_in(token(admin=True), "find")
            page = tab.page
            tile(page, "f4.jpg").wait_for()
            page.get_by_text("More filters").click()
            page.get_by_role("listbox").focus()
            page.keyboard.press("Space")
            page.get_by_role("region", name="Selected imports").wait_for()
            assert violations(page, axe) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
            page.keyboard.press("Delete")
            page.get_by_role("dialog").wait_for()
            assert violations(page, axe) == []
            page.keyboard.press("Escape")
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Show the attempts").wait_for()
            assert violations(page, axe) == []
            assert page.evaluate("() => document.querySelector('dialog').scrollWidth") <= 320
