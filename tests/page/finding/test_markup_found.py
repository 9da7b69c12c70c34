"""Texts that hold markup are shown as text in the gallery, in details, in filters and in webhooks."""

from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from lading.plugins.testing.origin import answer
from tests.page.browsing import Tab
from tests.page.conftest import OpenTab, Site
from tests.page.markup import STARTED, TEXTS
from tests.support.servers.service import token

ADMIN = token(admin=True)
HEAD = {"Authorization": f"Bearer {ADMIN}"}
WATCH = "window.pwned = (...found) => { (window.ran ??= []).push(found); return 1; };"
ALBUM, OTHER = TEXTS[3], TEXTS[4]
PLACED = ('<div class="gallery"', '<div class="tile')
"""Elements that the gallery puts in their places by a style."""
ENDPOINTS = 15
"""A divisor of the number of texts, below the limit of endpoints."""


def harmless(page: Page) -> None:
    """Nothing of the texts has become an element, and nothing has run."""
    assert [one for one in page.evaluate(STARTED) if not one.startswith(PLACED)] == []
    assert page.evaluate("() => window.ran ?? []") == []


def create(tab: Tab, path: str, document: Any) -> Any:
    made = tab.page.request.post(f"{tab.url}{path}", data=document, headers=HEAD)
    assert made.ok, made.text()
    return made.json()


def test_markup_is_text_in_the_gallery(open_tab: OpenTab, site: Site) -> None:
    for number, text in enumerate(TEXTS):
        params = {"filename": text, "album_id": ALBUM if number else OTHER, "metadata[text]": text, "tags[]": text}
        site.client(ADMIN).accepted(urlencode(params))
    with open_tab(viewport={"width": 1100, "height": 3000}) as tab:
        page = tab.page
        page.add_init_script(WATCH)
        tab.sign_in(ADMIN, "find")
        page.get_by_label("Album", exact=True).fill(ALBUM)
        expect(page.locator("main .lead")).to_have_text(f"{len(TEXTS) - 1} found")
        assert page.locator(".tile .title").all_text_contents() == list(reversed(TEXTS[1:]))
        assert {ALBUM, OTHER} <= set(page.locator(".albums .name").all_text_contents())
        harmless(page)
        page.get_by_label("Search", exact=True).fill(TEXTS[5])
        expect(page.locator(".tile .title")).to_have_text([TEXTS[5]])
        page.locator(".tile").click()
        box = page.get_by_role("dialog")
        expect(box.get_by_role("heading").first).to_have_text(TEXTS[5])
        expect(box.locator("tbody td")).to_have_text([TEXTS[5]])
        expect(box.locator("dd", has_text=TEXTS[5])).to_have_count(1)
        harmless(page)


def test_markup_is_text_in_details(open_tab: OpenTab, site: Site) -> None:
    site.origin.routes["/odd"] = answer(b"no image", headers={"Content-Type": "text/<b>x</b>"})
    with open_tab() as tab:
        page = tab.page
        page.add_init_script(WATCH)
        urls = [site.origin.url(f"/{text}") for text in (TEXTS[0], TEXTS[5], TEXTS[7])] + [site.origin.url("/odd")]
        metadata = {text: {text: [text]} for text in TEXTS}
        params = {"url": urls, "album_id": OTHER, "tags": list(TEXTS), "metadata": metadata}
        made = create(tab, "/api/v1/imports", params)
        site.client(ADMIN).final(made["id"])
        tab.sign_in(ADMIN)
        page.evaluate("id => { location.hash = `find/${id}`; }", made["id"])
        box = page.get_by_role("dialog")
        expect(box.locator(".told")).to_be_visible()
        assert box.locator("tbody th").all_text_contents() == list(TEXTS)
        assert box.locator("dd p").all_text_contents() == urls
        expect(box.locator("dd", has_text=TEXTS[59])).to_have_text(", ".join(TEXTS), use_inner_text=False)
        harmless(page)
        box.get_by_role("button", name="Show the attempts").click()
        page.get_by_role("heading", name="Attempt 1").wait_for()
        harmless(page)


def test_markup_is_text_in_webhooks(open_tab: OpenTab, site: Site) -> None:
    with open_tab() as tab:
        page = tab.page
        page.add_init_script(WATCH)
        made = []
        for number, text in enumerate(TEXTS):
            url = site.origin.url(f"/markup?{text}".replace("\t", ""))
            if number < ENDPOINTS:
                made.append(create(tab, "/api/v1/webhooks", {"url": url, "description": text, "enabled": False}))
            else:
                path = f"{tab.url}/api/v1/webhooks/{made[number % ENDPOINTS]['id']}"
                assert page.request.patch(path, data={"url": url, "description": text}, headers=HEAD).ok
            if number % ENDPOINTS != ENDPOINTS - 1:
                continue
            if number < ENDPOINTS:
                tab.sign_in(ADMIN, "webhooks")
            else:
                page.reload()
            expected = list(TEXTS[number - ENDPOINTS + 1 : number + 1])
            expect(page.locator(".hook h2")).to_have_count(ENDPOINTS)
            assert sorted(page.locator(".hook h2").all_text_contents()) == sorted(expected)
            assert all(one["url"].startswith(site.origin.url("/markup?")) for one in made)
            harmless(page)
        page.get_by_role("button", name="Change").first.click()
        assert page.get_by_role("dialog").get_by_label("Description", exact=True).input_value() in TEXTS[-ENDPOINTS:]
        harmless(page)
        for one in made:
            path = f"{tab.url}/api/v1/webhooks/{one['id']}"
            assert page.request.delete(path, headers=HEAD).status == 204
