"""The pictures of the documentation: ``make docs-pictures`` writes them, and the tests see that they can be made."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lading.plugins.testing.origin import answer
from lading.service.cli.demo.run import SAMPLE
from tests.page.browsing import picture
from tests.page.conftest import OpenTab, Site
from tests.page.origin import slowly
from tests.page.test_adding import choose, file, submit
from tests.page.test_markup import signed

SIZE = {"width": 1000, "height": 960}


@pytest.mark.long_form
def test_the_pictures_of_the_documentation(open_tab: OpenTab, site: Site, tmp_path: Path) -> None:
    sample = SAMPLE.read_bytes()
    photo = answer(sample, headers={"Content-Type": "image/jpeg"})
    names = ("harbour.jpg", "crane.jpg", "containers.jpg")
    site.origin.routes |= {f"/trip/{name}": photo for name in names}
    site.origin.routes["/trip/panorama.jpg"] = slowly(sample, pieces=60, pause=0.5)
    access = {"Access": {"image_upload": True, "image_list": True, "image_download": True}}
    credentials = signed(sub="maria@example.org", abilities={"pictures": access})
    links = [site.origin.url(f"/trip/{name}") for name in (*names, "panorama.jpg", "gone.jpg")]
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport=SIZE) as tab:
            tab.sign_in(credentials)
            page = tab.page
            page.get_by_label("Links", exact=True).fill("Our trip, all of it:\n" + "\n".join(links))
            choose(tab, file("IMG_2041.jpg", sample), file("IMG_2042.jpg", sample))
            if scheme == "light":
                picture(page, "add", tmp_path)
            submit(tab, "Import 5 links and 2 files")
            expect(page.locator("main > div .lead")).to_have_text("1 in progress, 5 done, 1 failed")
            expect(page.locator(".item img[src]")).to_have_count(5)
            expect(page.locator(".remedy").filter(has_text="Check the path")).to_be_visible()
            picture(page, "watch" if scheme == "light" else "watch-dark", tmp_path)
            if scheme == "light":
                page.get_by_role("button", name=links[0], exact=True).click()
                page.get_by_role("button", name="Show the attempts").click()
                expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
                picture(page, "why", tmp_path)
                page.keyboard.press("Escape")
                page.keyboard.press("Escape")
                page.get_by_role("link", name="Find").click()
                expect(page.locator(".tile img[src]")).to_have_count(5)
                expect(page.locator(".album img[src]")).to_have_count(2)
                picture(page, "find", tmp_path)
                page.get_by_role("link", name="Watch").click()
            page.get_by_role("button", name=f"Cancel {links[3]}").click()
            expect(page.locator("main > div .lead")).to_have_text("5 done, 1 failed, 1 cancelled")
