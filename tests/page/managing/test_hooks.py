"""Webhooks in the page: endpoints and their secrets, tests, deliveries with their outcome, replays."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from lading.client import Client
from tests.page.browsing import violations
from tests.page.conftest import OpenTab, Site
from tests.page.finding.test_finding import tile
from tests.support.servers.service import token
from tests.support.webhooks import answers, posts, verified

MANAGER = token(album="hooks", abilities=("webhook_manage", "image_list"))


@pytest.fixture(autouse=True)
def _no_endpoints(site: Site) -> None:
    client = Client(site.url, MANAGER)
    with client:
        for endpoint in client.list_webhooks():
            client.delete_webhook(endpoint.id)


def test_an_endpoint_from_its_form_to_its_end(open_tab: OpenTab, site: Site) -> None:
    site.origin.routes["/hook"] = answers(200)
    with open_tab() as tab:
        tab.expected.append("status of 422")
        tab.sign_in(MANAGER, "webhooks")
        page, press = tab.page, tab.page.keyboard.press
        expect(page.get_by_text("There is no endpoint yet.")).to_be_visible()
        # The keyboard alone adds one; a refused address is told in the form.
        page.get_by_role("button", name="Add an endpoint").focus()
        press("Enter")
        box = page.get_by_role("dialog", name="Add an endpoint")
        expect(box.get_by_label("Address", exact=True)).to_be_focused()
        press("Enter")
        expect(box.get_by_role("alert")).to_have_text("Type the address first.")
        page.keyboard.type("ftp://127.0.0.1/hook")
        press("Enter")
        expect(box.get_by_role("alert")).to_have_text(re.compile("scheme"))
        box.get_by_label("Address", exact=True).fill(site.origin.url("/hook"))
        press("Tab")
        page.keyboard.type("The shop")
        press("Tab")
        press("Space")  # not all events
        press("Tab")
        press("Tab")
        press("Space")
        press("Enter")
        secret = page.get_by_role("dialog", name="The secret")
        expect(secret).to_contain_text("it is not shown again")
        told = secret.locator("code").inner_text()
        press("Escape")
        expect(secret).to_have_count(0)
        expect(page.locator("code", has_text=told)).to_have_count(0)  # removed a moment after the dialog has closed
        assert told not in page.content()
        card = page.get_by_role("region", name="The shop")
        expect(card).to_contain_text("Events: Import done, Import cancelled, Import deleted, Image deleted")
        expect(card).to_contain_text("Enabled")
        # A test of it, and its delivery once more.
        card.get_by_role("button", name="Send a test").press("Enter")
        expect(card.locator(".delivery .state")).to_have_text(re.compile("Delivered · answer 200, "))
        assert verified(posts(site.origin)[0], told)["type"] == "ping"
        card.get_by_role("button", name="Send again: Test").press("Enter")
        expect(card.locator(".delivery[data-outcome=delivered]")).to_contain_text("2 attempts")
        assert len(posts(site.origin)) == 2
        card.get_by_role("button", name="New secret").click()
        page.get_by_role("dialog", name="Make a new secret?").get_by_role("button", name="New secret").click()
        assert secret.locator("code").inner_text() not in ("", told)
        press("Escape")
        card.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog", name="Delete the endpoint?").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("There is no endpoint yet.")).to_be_visible()
        expect(page.get_by_role("button", name="Add an endpoint")).to_be_focused()
    assert site.client(MANAGER).get("/api/v1/webhooks") == (200, {"webhooks": []})


def test_an_endpoint_whose_receiver_is_gone_is_enabled_again(open_tab: OpenTab, site: Site) -> None:
    site.origin.routes["/other"] = answers(410)
    with open_tab() as tab:
        tab.sign_in(MANAGER, "webhooks")
        page = tab.page
        page.get_by_role("button", name="Add an endpoint").click()
        page.get_by_label("Address", exact=True).fill(site.origin.url("/hook"))
        page.get_by_label("Description", exact=True).fill("The shop")
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="The secret").wait_for()
        page.keyboard.press("Escape")
        card = page.get_by_role("region", name="The shop")
        card.get_by_role("button", name="Change").click()
        box = page.get_by_role("dialog", name="Change the endpoint")
        box.get_by_label("Address", exact=True).fill(site.origin.url("/other"))
        box.get_by_label("Description", exact=True).fill("")
        box.get_by_role("button", name="Save").click()
        card = page.get_by_role("region", name="127.0.0.1")
        card.get_by_role("button", name="Send a test").click()
        expect(card.locator(".delivery").first).to_contain_text(re.compile("Failed · answer 410, "))
        page.reload()
        expect(card).to_contain_text("Disabled: the receiver answered that it is gone (410).")
        card.get_by_role("button", name="Enable").click()
        expect(card.get_by_role("button", name="Disable")).to_be_visible()
        card.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(card).to_have_count(0)


def test_the_webhook_of_an_import_is_in_its_details(open_tab: OpenTab, site: Site) -> None:
    site.origin.routes["/own"] = answers(then=500)
    form = {"url": site.origin.url("/photo.jpg"), "album_id": "hooks", "webhook[url]": site.origin.url("/own")}
    site.client().final(site.client().accepted(urlencode(form)))
    with open_tab() as tab:
        tab.sign_in(MANAGER, "find")
        tile(tab.page, "photo.jpg").click()
        delivery = tab.page.get_by_role("dialog").locator(".delivery")
        expect(delivery).to_contain_text(re.compile(r"Import done.*On its way · answer 500, .* · next attempt"))
        site.origin.routes["/own"] = answers(200)
        delivery.get_by_role("button", name="Send again: Import done").click()
        expect(delivery).to_contain_text("Delivered · answer 200")
    with open_tab() as tab:
        tab.sign_in(token(album="hooks", abilities=("image_list",)), "find")
        expect(tab.page.locator('nav a[data-view="webhooks"]')).to_have_count(0)
        tile(tab.page, "photo.jpg").click()
        tab.page.get_by_role("button", name="Show the attempts").wait_for()
        expect(tab.page.get_by_role("heading", name="Deliveries")).to_have_count(0)


def test_everybody_can_manage_webhooks(open_tab: OpenTab, site: Site, axe: str) -> None:
    site.origin.routes["/hook"] = answers(200)
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            tab.sign_in(MANAGER, "webhooks")
            page = tab.page
            page.get_by_role("button", name="Add an endpoint").click()
            assert violations(page, axe) == []
            page.get_by_label("Address", exact=True).fill(site.origin.url(f"/hook?{'long' * 20}"))
            page.get_by_label("Description", exact=True).fill(scheme)
            page.keyboard.press("Enter")
            page.get_by_role("dialog", name="The secret").wait_for()
            assert violations(page, axe) == []
            page.keyboard.press("Escape")
            card = page.get_by_role("region", name=scheme)
            card.get_by_role("button", name="Send a test").click()
            card.locator(".delivery[data-outcome=delivered]").wait_for()
            assert violations(page, axe) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
            card.get_by_role("button", name="New secret").click()
            page.get_by_role("dialog", name="Make a new secret?").wait_for()
            assert violations(page, axe) == []
            page.keyboard.press("Escape")
            card.get_by_role("button", name="Delete").click()
            page.get_by_role("dialog").wait_for()
            assert violations(page, axe) == []
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            expect(card).to_have_count(0)
