"""Signing in: by a link, by a paste, in another tab; what the page tells of a token, and what it gives away of it."""

import json
from datetime import timedelta

from playwright.sync_api import Page, expect

from tests.page.browsing import free_of_token, unmet_by_keyboard, violations
from tests.page.conftest import OpenTab, Site
from tests.support.servers.service import ISSUER, token

VIEWS = {"Add": "Add images", "Watch": "Imports", "Find": "Find images", "Webhooks": "Webhooks"}
"""The headings of the views, by their names in the navigation."""


def test_a_link_signs_in_and_leaves_no_trace_of_the_token(open_tab: OpenTab, site: Site) -> None:
    credentials = token(admin=True)
    with open_tab() as tab:
        tab.page.goto("about:blank")
        tab.sign_in(credentials)
        expect(tab.page.locator("header.top .account .name")).to_have_text(ISSUER)
        expect(tab.page.locator("header.top .account .left")).to_have_text("access ends in 4 hours")
        free_of_token(tab, credentials)
        # Neither the address nor the way back has it.
        tab.page.go_back()
        assert tab.page.url == "about:blank"
        tab.page.go_forward()
        assert tab.page.url == f"{site.url}/"
        expect(tab.page.locator("header.top .account")).to_be_visible()
        tab.page.reload()
        expect(tab.page.locator("header.top .account")).to_be_visible()
        assert tab.page.evaluate("() => document.cookie + JSON.stringify(localStorage)") == "{}"
    with open_tab() as other:
        other.page.goto(site.url)
        expect(other.page.get_by_label("Token", exact=True)).to_be_visible()
    assert credentials not in json.dumps(site.process.lines)


def test_a_link_may_name_a_view(open_tab: OpenTab, site: Site) -> None:
    credentials = token(admin=True)
    with open_tab() as tab:
        tab.page.goto(f"{site.url}/#token={credentials}&view=find")
        expect(tab.page.get_by_role("heading", level=1)).to_have_text(VIEWS["Find"])
        assert tab.page.url == f"{site.url}/#find"
        free_of_token(tab, credentials)


def test_a_pasted_token_or_link_signs_in_and_other_text_does_not(open_tab: OpenTab, site: Site) -> None:
    credentials = token(album="holidays", abilities=("image_upload", "image_list"))
    with open_tab() as tab:
        tab.page.goto(site.url)
        tab.page.get_by_label("Token", exact=True).fill("hello")
        tab.page.get_by_role("button", name="Sign in").click()
        expect(tab.page.get_by_role("alert").filter(has_text="This is no token")).to_be_visible()
        link = f"see https://pictures.mycompany.example/path.segment_long.other_one_long/#token={credentials}"
        tab.page.get_by_label("Token", exact=True).fill(link)
        tab.page.keyboard.press("Enter")
        tab.page.locator("header.top .account").click()
        box = tab.page.get_by_role("dialog", name="Your token")
        expect(box).to_contain_text(ISSUER)
        expect(box.get_by_role("row", name="holidays")).to_contain_text("add images, list images")
        box.get_by_role("button", name="Sign out").click()
        expect(tab.page.get_by_label("Token", exact=True)).to_be_visible()
        tab.page.reload()
        expect(tab.page.get_by_label("Token", exact=True)).to_be_visible()


def test_a_refused_token_is_told_and_another_one_goes_on(open_tab: OpenTab, site: Site) -> None:
    good = token(admin=True)
    # Of a token that outlives the longest timer of a browser, too.
    head, claims, _ = token(admin=True, expires=timedelta(days=60)).split(".")
    with open_tab() as tab:
        tab.expected.append("status of 401")
        tab.page.goto(f"{site.url}/#token={head}.{claims}.{'A' * 43}")
        box = tab.page.get_by_role("dialog", name="The service refuses this token")
        box.get_by_label("Token", exact=True).fill(good)
        box.get_by_role("button", name="Sign in").click()
        expect(box).to_be_hidden()
        expect(tab.page.locator("header.top .account .left")).to_have_text("access ends in 4 hours")


def test_a_token_that_ends_is_told(open_tab: OpenTab) -> None:
    with open_tab() as tab:
        tab.page.clock.install()
        tab.sign_in(token(admin=True, expires=timedelta(minutes=2)))
        expect(tab.page.locator("header.top .account")).to_have_class("account ending")
        tab.page.clock.fast_forward("02:00")
        box = tab.page.get_by_role("dialog", name="Your token has ended")
        expect(box).to_contain_text("Everything that you typed and queued is still here.")
        tab.page.keyboard.press("Escape")
        expect(box).to_be_visible()


def test_everybody_can_sign_in_and_begin(open_tab: OpenTab, site: Site, axe: str) -> None:
    abilities = ("image_upload", "image_list", "image_download", "webhook_manage")
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            page = tab.page
            tab.expected.append("status of 401")

            def check(page: Page = page) -> None:
                assert violations(page, axe) == []
                assert page.evaluate("() => document.documentElement.scrollWidth") <= 320

            page.goto(site.url)
            page.get_by_label("Token", exact=True).fill("no token")
            page.keyboard.press("Enter")
            check()
            # Each view, while there is nothing to show.
            tab.sign_in(token(album=f"empty-{scheme}", abilities=abilities))
            for name, view in VIEWS.items():
                page.get_by_role("link", name=name, exact=True).click()
                expect(page.get_by_role("heading", level=1)).to_have_text(view)
                check()
            page.locator("header.top .account").click()
            page.get_by_role("dialog").wait_for()
            check()
            page.keyboard.press("Escape")
            page.route("**/api/v1/imports?*", lambda route: route.fulfill(status=401, json={}))
            page.get_by_role("link", name="Find", exact=True).click()
            page.get_by_role("dialog", name="The service refuses this token").wait_for()
            check()


def test_the_keyboard_reaches_everything_in_every_view(open_tab: OpenTab, site: Site) -> None:
    abilities = ("image_upload", "image_list", "webhook_manage")
    site.client().final(site.client().accepted(f"album_id=walk&url={site.origin.url('/photo.jpg')}"))
    with open_tab() as tab:
        page, press = tab.page, tab.page.keyboard.press
        tab.sign_in(token(album="walk", abilities=abilities))
        page.get_by_label("Links", exact=True).fill(site.origin.url("/moved.jpg"))
        page.get_by_role("button", name="Import 1 link").press("Enter")
        expect(page.locator('.item[data-state="done"]')).to_have_count(1)
        for name, view in VIEWS.items():
            page.locator("body").evaluate("() => document.activeElement.blur()")
            for _ in range(30):
                press("Tab")
                if page.evaluate("() => document.activeElement.firstChild?.textContent") == name:
                    break
            press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text(view)
            if name == "Find":
                expect(page.locator(".tile")).to_have_count(2)
            assert unmet_by_keyboard(page) == [], name
