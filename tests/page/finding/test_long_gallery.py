"""A gallery of very many imports: what is in the document, in memory and on the wire is what is in view."""

import re
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import CDPSession, Page, expect

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import answer
from tests.page.conftest import OpenTab, Site
from tests.page.finding.filling import fill, remove
from tests.support.servers.service import token

MANY = 100_000
SOME = 1_300
"""More than the eight pages of a hundred that the gallery keeps."""
SCROLLED = 5_000
FITTING = 60
"""Tiles that are in the document at most, with two rows beyond each edge of the view."""


def database(site: Site) -> Path:
    return site.images.with_name("lading.sqlite3")


def templates(site: Site, count: int) -> Sequence[str]:
    """Imports of different images."""
    made = []
    for number in range(count):
        body = jpeg(320 + number, 240, seed=number)
        site.origin.routes[f"/t{number}.jpg"] = answer(body, headers={"Content-Type": "image/jpeg"})
        form = {"url": site.origin.url(f"/t{number}.jpg"), "album_id": "templates"}
        made.append(site.client().accepted(urlencode(form)))
    for one in made:
        site.client().final(one)
    return made


def filled(site: Site, album: str, count: int, images: int) -> str:
    """An album with so many imports, and a token for it."""
    fill(database(site), templates(site, images), count, album)
    return token(album=album, abilities=("image_list",))


def reveal(page: Page, index: int) -> None:
    """Scroll until an import is in view."""
    tile = page.locator(f'.tile[aria-posinset="{index + 1}"]')
    step = """(index) => {
        const list = document.querySelector(".gallery");
        const shown = [...list.querySelectorAll(".tile")].map((tile) => [Number(tile.ariaPosInSet) - 1, tile]);
        const [first, tile] = shown.sort((a, b) => a[0] - b[0])[0];
        const columns = shown.filter(([, other]) => other.offsetTop === tile.offsetTop
            && other.getBoundingClientRect().top === tile.getBoundingClientRect().top).length;
        const row = tile.getBoundingClientRect().height + 12;
        scrollBy(0, tile.getBoundingClientRect().top + (index - first) / columns * row - 200);
    }"""
    while not (tile.count() and tile.is_visible()):
        page.evaluate(step, index)
        page.wait_for_timeout(50)
    expect(tile).not_to_have_attribute("data-state", "unread")


def shown(page: Page) -> list[tuple[int, str]]:
    script = """() => [...document.querySelectorAll(".tile")].map((tile) =>
        [Number(tile.ariaPosInSet) - 1, tile.querySelector(".title").textContent])"""
    return sorted((index, name) for index, name in page.evaluate(script) if name)


def test_pages_come_and_go_and_none_is_shown_twice(open_tab: OpenTab, site: Site) -> None:
    credentials = filled(site, "some", SOME, images=1)
    with open_tab(viewport={"width": 700, "height": 500}) as tab:
        page = tab.page
        tab.expected.append("/thumbnail?")
        page.route("**/thumbnail?*", lambda route: route.abort())  # each would be decoded
        tab.sign_in(credentials, "find")
        expect(page.locator('.tile[aria-posinset="1"]')).to_have_accessible_name(re.compile("0.jpg Done"))
        assert page.locator(".tile").first.get_attribute("aria-setsize") == "-1"
        reveal(page, SOME - 1)
        expect(page.get_by_text("That is all.")).to_be_visible()
        assert page.locator(".tile").first.get_attribute("aria-setsize") == str(SOME)
        assert shown(page)[-1] == (SOME - 1, f"{SOME - 1}.jpg")
        assert len(shown(page)) <= FITTING
        # A page of which some imports are deleted, while it is not in memory.
        listed = [url for url in tab.asked if "/api/v1/imports?" in url and "cursor" in url]
        third = site.client(credentials).get(listed[2].removeprefix(site.url))[1]["imports"]
        remove(database(site), [one["id"] for one in third[10:15]])
        asked = len(listed)
        reveal(page, 350)
        reveal(page, 450)
        again = [url for url in tab.asked if "/api/v1/imports?" in url and "cursor" in url][asked:]
        assert set(again) <= set(listed), "a page is read again from its own cursor"
        assert listed[2] in again
        gone = {one["params"]["filename"] for one in third[10:15]}
        order = [name for name in (f"{number}.jpg" for number in range(SOME)) if name not in gone]
        for index in (290, 305, 330, 390, 410):
            reveal(page, index)
            assert [name for _, name in shown(page)] == [order[at] for at, _ in shown(page)]
        assert len(shown(page)) <= FITTING
        # As many as may be selected are read, and once.
        page.get_by_role("listbox").focus()
        before = len(tab.asked)
        page.keyboard.press("Control+a")
        expect(page.get_by_role("region", name="Selected imports")).to_contain_text("1,000 selected")
        lists = [url for url in tab.asked[before:] if "limit=100" in url]
        assert len(lists) <= 11
        assert len(set(lists)) == len(lists)
        page.keyboard.press("Control+a")
        page.wait_for_timeout(300)
        assert [url for url in tab.asked[before:] if "limit=100" in url] == lists


def measured(session: CDPSession) -> tuple[float, int]:
    """Megabytes of the heap of scripts, and nodes of the document, after garbage is gone."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return round(found["JSHeapUsedSize"] / 1e6, 2), int(found["Nodes"])


@pytest.mark.long_form
@pytest.mark.timeout(600)
def test_memory_stays_flat_however_far_one_scrolls(
    open_tab: OpenTab, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = filled(site, "many", MANY, images=40)
    with open_tab() as tab:
        tab.sign_in(credentials)
        session = tab.page.context.new_cdp_session(tab.page)
        session.send("Performance.enable")
        begun = time.monotonic()
        tab.page.get_by_role("link", name="Find").click()
        tab.page.wait_for_function("() => document.querySelector('.tile img')?.naturalWidth > 0")
        first = time.monotonic() - begun
        found = [measured(session)]
        for target in range(1000, SCROLLED + 1, 1000):
            for index in range(target - 1000, target, 50):
                reveal(tab.page, index)
            found.append(measured(session))
        with capsys.disabled():
            print(f"\nfirst picture after {first:.2f} s; MB of heap and nodes by thousand: {found}")  # noqa: T201
        assert max(nodes for _, nodes in found) < 10_000
        # The cache of pictures fills in the first thousand.
        assert max(after - before for (before, _), (after, _) in pairwise(found[1:])) < 1, found
        assert found[-1][0] - found[1][0] < 2, found
