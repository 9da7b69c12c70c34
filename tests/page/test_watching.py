"""Watching imports: bytes and time left, failures and remedies, trying again, cancelling, reloading."""

import re

import pytest
from playwright.sync_api import Locator, expect

from lading.plugins.testing.origin import answer
from tests.page.browsing import Tab, violations
from tests.page.conftest import OpenTab, Site
from tests.page.origin import JPEG, slowly
from tests.page.test_adding import UPLOADER, choose, file, rows, submit
from tests.support.servers.service import token

UPLOAD_ONLY = token(album="unlisted", abilities=("image_upload",))


def add_links(tab: Tab, *links: str) -> None:
    tab.page.get_by_role("link", name="Add", exact=True).click()
    tab.page.get_by_label("Links", exact=True).fill("\n".join(links))
    submit(tab, f"Import {len(links)} link{'s' if len(links) > 1 else ''}")


def row(tab: Tab, name: str) -> Locator:
    return tab.page.locator(".item", has=tab.page.get_by_text(name, exact=True))


def test_failures_say_why_and_what_helps_and_are_tried_again(open_tab: OpenTab, site: Site) -> None:
    good, moved, html = (site.origin.url(path) for path in ("/photo.jpg", "/moved.jpg", "/page.html"))
    heals = site.origin.url("/heals.jpg")
    host = site.origin.url("").removeprefix("http://").rstrip("/")
    site.origin.routes.pop("/heals.jpg", None)
    with open_tab() as tab:
        tab.sign_in(UPLOADER)
        add_links(tab, good, moved, html, heals)
        page = tab.page
        expect(page.locator("main > div .lead")).to_have_text("2 done, 2 failed")
        expect(page.locator(".group header .hint")).to_have_text(re.compile(r" · in \S+$"))
        expect(row(tab, html).locator(".reason")).to_have_text(re.compile("not an image.*Check that the url leads to"))
        expect(row(tab, heals).locator(".reason")).to_have_text(re.compile("no such image.*Check the path"))
        expect(row(tab, good).locator(".state")).to_have_text(f"Done · 640 × 400 · 155 kB · from {host}")
        page.get_by_role("button", name="Failed 2").click()
        expect(rows(tab)).to_have_count(2)
        site.origin.routes["/heals.jpg"] = answer(JPEG, headers={"Content-Type": "image/jpeg"})
        page.get_by_role("button", name="Try all 2 failed again").click()
        expect(page.locator("main > div .lead")).to_have_text("3 done, 1 failed")
        expect(rows(tab)).to_have_count(1)
        # A try that fails again shows: by the attempts so far, and the time.
        state = row(tab, html).locator(".state")
        expect(state).to_have_text(re.compile(r"^Failed · 2 attempts · \d+:\d\d"))
        page.get_by_role("button", name=f"Try again {html}").click()
        expect(state).to_have_text(re.compile(r"^Failed · 3 attempts · \d+:\d\d"))
        # All of it is still there after a reload, without asking again.
        page.reload()
        expect(page.locator("main > div .lead")).to_have_text("3 done, 1 failed")
        expect(rows(tab)).to_have_count(4)
        page.get_by_role("button", name="Remove from this list").click()
        expect(page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()


def test_what_happened_is_drawn_and_can_be_looked_at_again(open_tab: OpenTab, site: Site) -> None:
    moved, html = site.origin.url("/moved.jpg"), site.origin.url("/page.html")
    with open_tab() as tab:
        tab.sign_in(UPLOADER)
        add_links(tab, moved, html)
        # The name leads to the image in Lading; its origin is a link apart.
        expect(tab.page.get_by_role("link", name=f"Open the link {moved}")).to_have_attribute("href", moved)
        tab.page.get_by_role("button", name=moved, exact=True).click()
        details = tab.page.get_by_role("dialog", name="moved.jpg")
        expect(details.locator("img")).to_have_js_property("naturalWidth", 640)
        details.get_by_role("button", name="Show the attempts").click()
        box = tab.page.get_by_role("dialog", name="What happened")
        expect(box.locator(".subject")).to_have_text(moved)
        expect(box.get_by_role("heading", name=re.compile("Attempt 1: done after"))).to_be_visible()
        expect(box.get_by_text("Redirected to")).to_contain_text(site.origin.url("/photo.jpg"))
        steps = box.get_by_role("table", name="What took how long").get_by_role("row")
        expect(steps.filter(has_text="Store")).to_have_count(1)
        assert box.locator("svg .hop1").count() >= 3, "the second request has another colour"
        box.get_by_role("button", name="Check the link now").click()
        expect(box.get_by_text("An import would succeed now.")).to_be_visible()
        expect(box.get_by_text("Address: allowed").first).to_be_visible()
        tab.page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        tab.page.keyboard.press("Escape")
        expect(details).to_be_hidden()
        expect(tab.page.get_by_role("button", name=moved, exact=True)).to_be_focused()
        tab.page.get_by_role("button", name=f"Why? {html}").click()
        expect(box.get_by_text("Check that the url leads to the image")).to_be_visible()
        box.get_by_role("button", name="Check the link now").click()
        expect(box.get_by_text("An import would fail now.")).to_be_visible()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("credentials", [UPLOADER, UPLOAD_ONLY], ids=["a stream of all", "no list"])
def test_bytes_and_time_left_are_shown_while_they_come(open_tab: OpenTab, site: Site, credentials: str) -> None:
    site.origin.routes["/slow.jpg"] = slowly(JPEG, pieces=20, pause=0.2)
    slow = site.origin.url("/slow.jpg")
    with open_tab() as tab:
        tab.sign_in(credentials)
        add_links(tab, slow)
        state = row(tab, slow).locator(".state")
        expect(state).to_have_text(re.compile(r"Importing · \d+ kB of 155 kB · \d+ seconds? left"))
        expect(tab.page.locator('nav [data-view="watch"] .badge')).to_have_text("1")
        expect(row(tab, slow).get_by_role("progressbar")).to_have_attribute("value", re.compile(r"0\.\d+"))
        expect(state).to_contain_text("Done · 640 × 400 · 155 kB")
        expect(tab.page.locator('nav [data-view="watch"] .badge')).to_have_text("")
        expect(tab.page.locator('[role="status"]')).to_have_text("1 done")


def test_an_import_is_cancelled(open_tab: OpenTab, site: Site) -> None:
    site.origin.routes["/endless.jpg"] = slowly(JPEG, pieces=100, pause=0.5)
    endless = site.origin.url("/endless.jpg")
    with open_tab() as tab:
        tab.sign_in(UPLOADER)
        add_links(tab, endless)
        expect(row(tab, endless).locator(".state")).to_have_text(re.compile("Importing"))
        tab.page.get_by_role("button", name=f"Cancel {endless}").click()
        expect(row(tab, endless).locator(".state")).to_contain_text("Cancelled")
        expect(tab.page.get_by_role("button", name=f"Try again {endless}")).to_be_focused()


def test_an_ability_that_is_missing_is_not_offered(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.sign_in(token(album="a", abilities=("image_download",)))
        expect(tab.page.locator("nav a")).to_have_text(["Watch"])
        expect(tab.page.get_by_role("link", name="Add images")).to_have_count(0)


def test_everybody_can_watch(open_tab: OpenTab, site: Site, axe: str) -> None:
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            tab.expected.append("status of 422")
            tab.sign_in(UPLOADER)
            choose(tab, file("broken.jpg", b"no image"))
            tab.page.get_by_label("Links", exact=True).fill(site.origin.url("/moved.jpg"))
            submit(tab, "Import 1 link and 1 file")
            expect(tab.page.locator("main > div .lead")).to_have_text("1 done, 1 failed")
            assert violations(tab.page, axe) == []
            assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 320
            tab.page.get_by_role("button", name="broken.jpg", exact=True).click()
            failed = tab.page.get_by_role("dialog", name="broken.jpg")
            failed.get_by_text("not an image").first.wait_for()
            assert violations(tab.page, axe) == []
            assert failed.evaluate("(element) => element.scrollWidth") <= 320
            tab.page.keyboard.press("Escape")
            tab.page.get_by_role("button", name=site.origin.url("/moved.jpg"), exact=True).click()
            tab.page.get_by_role("dialog", name="moved.jpg").locator("img").wait_for()
            assert violations(tab.page, axe) == []
            tab.page.get_by_role("button", name="Show the attempts").click()
            tab.page.get_by_role("button", name="Check the link now").click()
            expect(tab.page.get_by_text("An import would succeed now.")).to_be_visible()
            assert violations(tab.page, axe) == []
            for box in tab.page.locator("dialog").all():
                assert box.evaluate("(element) => element.scrollWidth") <= 320
