"""Pictures that come later, addresses that keep the filters, and what a dialog tells."""

import re
from urllib.parse import urlencode

from playwright.sync_api import Route, expect

from tests.page.conftest import OpenTab, Site
from tests.support.servers.service import token

ABILITIES = ("image_list", "image_download")


def make(site: Site, album: str) -> str:
    made = site.client().accepted(urlencode({"url": site.origin.url("/photo.jpg"), "album_id": album}))
    site.client().final(made)
    return made


def test_a_picture_that_the_service_could_not_give_is_asked_for_again(open_tab: OpenTab, site: Site) -> None:
    make(site, "later")
    refused: list[str] = []

    def refuse_twice(route: Route) -> None:
        if len(refused) >= 2:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "0"}, json={"code": "service_restarting", "detail": "Later."})

    with open_tab() as tab:
        tab.expected.append("status of 503")
        tab.page.route("**/thumbnail?*", refuse_twice)
        tab.sign_in(token(album="later", abilities=ABILITIES), "find")
        expect(tab.page.locator(".tile img[src]")).to_have_count(1)
        assert len(refused) == 2


def test_a_dialog_tells_what_happens_in_it(open_tab: OpenTab, site: Site) -> None:
    make(site, "told")
    with open_tab(permissions=["clipboard-read", "clipboard-write"]) as tab:
        tab.sign_in(token(album="told", abilities=ABILITIES), "find")
        tab.page.locator(".tile").first.click()
        box = tab.page.get_by_role("dialog")
        box.get_by_role("button", name="Copy link").click()
        expect(box.get_by_role("status")).to_have_text("Copied")
        # Whoever closes it at once hears it beneath.
        tab.page.keyboard.press("Escape")
        expect(tab.page.locator('body > [role="status"]')).to_have_text("Copied")


def test_the_address_keeps_the_filters(open_tab: OpenTab, site: Site) -> None:
    made = make(site, "kept & found")
    with open_tab() as tab:
        page = tab.page
        tab.sign_in(token(album="kept & found", abilities=ABILITIES))
        query = "album=kept+%26+found&status=done"
        page.goto(f"{site.url}/#find/{made}?{query}")
        expect(page.get_by_role("dialog", name="photo.jpg")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile("/#find.+"))
        assert set(page.url.partition("?")[2].split("&")) == set(query.split("&"))
        expect(page.get_by_label("State", exact=True)).to_have_value("done")
        page.get_by_label("State", exact=True).select_option("failed")
        expect(page).to_have_url(re.compile("status=failed"))
        page.reload()
        expect(page.get_by_label("State", exact=True)).to_have_value("failed")
        expect(page.get_by_label("Album", exact=True)).to_have_value("kept & found")
        page.locator("header.top .account").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{site.url}/#find")
