"""File names, links, metadata, albums, names of people and error texts that hold markup are shown as text."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from playwright.sync_api import expect

from tests.page.browsing import Tab
from tests.page.conftest import OpenTab
from tests.page.markup import STARTED, TEXTS
from tests.page.test_adding import choose, file, rows, submit
from tests.support.servers.service import ISSUER, SECRET


def signed(**claims: Any) -> str:
    """A token for somebody with a strange name, for albums with strange names."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    return jwt.encode({"iss": ISSUER, "exp": expires, **claims}, SECRET, algorithm="HS256")


def harmless(tab: Tab) -> None:
    """Nothing of the texts has become an element, and nothing has run."""
    assert tab.page.evaluate(STARTED) == []
    assert tab.page.evaluate("() => window.ran ?? []") == []


def test_markup_is_text_everywhere(open_tab: OpenTab) -> None:
    assert len(TEXTS) >= 60
    access = {"Access": {"image_upload": True, "image_list": True}}
    credentials = signed(sub=TEXTS[3], abilities={**dict.fromkeys(TEXTS, access), "markup": access})
    with open_tab(viewport={"width": 1100, "height": 3000}) as tab:
        tab.expected += ["status of 422", "status of 4"]
        page = tab.page
        page.add_init_script("window.pwned = (...found) => { (window.ran ??= []).push(found); return 1; };")
        tab.sign_in(credentials)
        expect(page.locator(".account .name")).to_have_text(TEXTS[3])
        assert page.get_by_label("Album", exact=True).locator("option").all_text_contents() == [*TEXTS, "markup"]
        page.get_by_label("Album", exact=True).select_option("markup")
        page.locator(".account").click()
        assert page.locator("dialog th[scope=row]").all_text_contents() == [*TEXTS, "markup"]
        harmless(tab)
        page.keyboard.press("Escape")

        # As names of files, and in lists: links, and whatever a line is that the service refuses.
        names = [text.replace("/", "⁄") for text in TEXTS]
        choose(tab, *(file(name, b"no image") for name in names))
        assert page.locator(".staged .name").all_text_contents() == names
        page.reload()  # which forgets the files; a third of them is enough to be refused
        names = names[::3]
        choose(tab, *(file(name, b"no image") for name in names))
        page.get_by_label("Album", exact=True).select_option("markup")
        lines = [{"album_id": "markup", "url": f"http://{text}/", "metadata": {text: text}} for text in TEXTS]
        page.get_by_label("Links", exact=True).fill("\n".join(map(json.dumps, lines)))
        harmless(tab)
        submit(tab, f"Import {len(names)} files and 1 list")
        more = page.locator(".group > button")
        expect(more.filter(has_text="Show 10 more")).to_have_count(1)
        more.filter(visible=True).click()
        expect(rows(tab, "failed")).to_have_count(len(TEXTS) + len(names))
        assert page.locator(".group").first.locator(".name").all_text_contents() == names
        harmless(tab)
        page.get_by_role("button", name=f"Why? {names[3]}").click()
        expect(page.get_by_role("dialog")).to_contain_text("not an image")
        harmless(tab)
