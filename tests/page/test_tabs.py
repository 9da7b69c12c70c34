"""Several tabs of one person, and several persons in one tab: who works on what was added in this browser."""

from pathlib import Path

from playwright.sync_api import Browser, Route, expect

from tests.page.browsing import Tab, opened_tab, wait_in
from tests.page.conftest import OpenTab, Site
from tests.page.origin import JPEG
from tests.page.test_adding import choose, file, listed, rows, submit
from tests.page.test_markup import signed
from tests.page.test_uploading import bitmap
from tests.support.servers.processes import wait_until
from tests.support.servers.service import token

SIGN_IN_AT_ONCE = """
async (token) => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "");
  const { session } = await import(`${base}api/session.js`);
  session.leave();
  session.begin(token);
}
"""

DEAF = "BroadcastChannel.prototype.addEventListener = () => {};"
"""A tab that hears nothing of the others: it is about to close, say."""


def test_one_tab_uploads_and_when_it_closes_the_other_goes_on(browser: Browser, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "large.bmp"
    path.write_bytes(bitmap(2000, 5))  # two pieces
    held: list[Route] = []
    credentials = token(album="tabs", abilities=("image_upload", "image_list"))
    with opened_tab(browser, site.url) as first:
        first.sign_in(credentials)
        other = Tab(first.page.context.new_page(), site.url)
        other.watch()
        other.expected += ["status of 409", "status of 423"]  # the request of the closed tab may still be at work
        other.sign_in(credentials, "watch")
        first.page.route("**/api/v1/uploads/*", lambda route: _hold_the_second(route, held))
        first.page.locator("input[type=file]").first.set_input_files(path)
        submit(first, "Import 1 file")
        wait_in(first.page, lambda: held)
        # The other tab shows the file, and sends nothing, after a reload neither.
        expect(rows(other, "uploading")).to_have_count(1)
        other.page.reload()
        expect(rows(other, "uploading")).to_have_count(1)
        assert [url for url in other.asked if "/uploads/" in url] == []
        first.check()
        first.faults.clear()
        first.page.close()
        expect(rows(other, "done")).to_have_count(1)
        other.check()
    assert [one["status"] for one in listed(site, "tabs")] == ["done"]


def test_a_tab_whose_token_has_ended_gives_its_work_to_another_one(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "large.bmp"
    path.write_bytes(bitmap(2000, 9))  # two pieces
    credentials = token(album="handed-over", abilities=("image_upload", "image_list"))
    with opened_tab(browser, site.url) as first:
        first.expected.append("status of 401")
        first.sign_in(credentials)
        other = Tab(first.page.context.new_page(), site.url)
        other.watch()
        other.expected += ["status of 409", "status of 423"]
        other.sign_in(credentials, "watch")
        first.page.route("**/api/v1/uploads/*", _refuse_the_second)
        first.page.locator("input[type=file]").first.set_input_files(path)
        submit(first, "Import 1 file")
        first.page.get_by_role("dialog", name="The service refuses this token").wait_for()
        expect(rows(other, "done")).to_have_count(1)
        # With a token that is good, the tab works again: on what it is given, and on what the other one leaves.
        first.page.unroute_all()
        first.page.get_by_role("textbox", name="Token").fill(credentials)
        first.page.keyboard.press("Enter")
        expect(rows(first, "done")).to_have_count(1)
        other.check()
        other.page.close()
        first.page.get_by_role("button", name="Remove from this list").click()
        expect(first.page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()
    assert [one["status"] for one in listed(site, "handed-over")] == ["done"]


def test_what_a_tab_was_asked_to_do_and_did_not_is_done_by_the_next_one(browser: Browser, site: Site) -> None:
    credentials = token(album="asked", abilities=("image_upload", "image_list"))
    with opened_tab(browser, site.url) as first:
        first.sign_in(credentials, "watch")
        other = Tab(first.page.context.new_page(), site.url)
        other.watch()
        other.page.add_init_script(DEAF)
        other.sign_in(credentials)
        other.page.get_by_label("Links", exact=True).fill(site.origin.url("/photo.jpg"))
        submit(other, "Import 1 link")
        expect(rows(first, "done")).to_have_count(1)
        first.page.get_by_role("button", name="Remove from this list").click()
        other.check()
        other.page.close()
        expect(first.page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()
        first.page.reload()
        expect(first.page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()


def test_a_cancellation_that_a_tab_owes_goes_to_another_one(browser: Browser, site: Site) -> None:
    credentials = token(album="owed", abilities=("image_upload", "image_list"))
    created: list[int] = []

    def lose(route: Route) -> None:
        """Lose the answer to a creation, then refuse the token."""
        if created:
            route.fulfill(status=401, json={})
        elif route.request.method == "POST":
            created.append(route.fetch().status)
        else:
            route.continue_()

    with opened_tab(browser, site.url) as first:
        first.expected.append("status of 401")
        first.sign_in(credentials)
        other = Tab(first.page.context.new_page(), site.url)
        other.watch()
        other.sign_in(credentials, "watch")
        first.page.route("**/api/v1/uploads", lose)
        choose(first, file("owed.jpg", JPEG))
        submit(first, "Import 1 file")
        wait_in(first.page, lambda: created)
        first.page.get_by_role("button", name="Cancel owed.jpg").click()
        first.page.get_by_role("dialog", name="The service refuses this token").wait_for()
        wait_until(lambda: [one["status"] for one in listed(site, "owed")] == ["cancelled"])
        other.check()


def test_what_is_done_in_one_tab_shows_in_the_other(browser: Browser, site: Site) -> None:
    credentials = token(album="shown", abilities=("image_upload", "image_list"))
    with opened_tab(browser, site.url) as first:
        first.sign_in(credentials)
        other = Tab(first.page.context.new_page(), site.url)
        other.sign_in(credentials, "watch")
        first.page.get_by_label("Links", exact=True).fill(site.origin.url("/photo.jpg"))
        submit(first, "Import 1 link")
        expect(rows(other, "done")).to_have_count(1)
        # The tab that works on the list is asked by the other one.
        other.page.get_by_role("button", name="Remove from this list").click()
        for tab in (first, other):
            expect(tab.page.get_by_text("Nothing was added in this browser yet.")).to_be_visible()


def test_the_next_person_sees_nothing_of_who_has_just_left(open_tab: OpenTab, site: Site) -> None:
    abilities = ("image_upload", "image_list")
    after = signed(sub="next@example.org", abilities={"next": {"Access": dict.fromkeys(abilities, True)}})
    with open_tab() as tab:
        tab.sign_in(token(album="left", abilities=abilities))
        for name in ("/photo.jpg", "/moved.jpg"):
            tab.page.get_by_role("link", name="Add", exact=True).click()
            tab.page.get_by_label("Links", exact=True).fill(site.origin.url(name))
            submit(tab, "Import 1 link")
            expect(rows(tab, "unsent")).to_have_count(0)
        tab.page.evaluate(SIGN_IN_AT_ONCE, after)
        tab.page.get_by_role("link", name="Add", exact=True).click()
        tab.page.get_by_label("Links", exact=True).fill(site.origin.url("/photo.jpg"))
        submit(tab, "Import 1 link")
        expect(rows(tab, "done")).to_have_count(1)
        tab.page.reload()
        expect(rows(tab, "done")).to_have_count(1)
    assert len(listed(site, "next")) == 1


def _refuse_the_second(route: Route) -> None:
    if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
        route.fulfill(status=401, json={})
    else:
        route.continue_()


def _hold_the_second(route: Route, held: list[Route]) -> None:
    if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
        held.append(route)
    else:
        route.continue_()
