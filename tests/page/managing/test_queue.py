"""The queue of the organisation, for administrators: counts by state, and failures by code and host over time."""

import json
import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.browsing import picture, unmet_by_keyboard, violations
from tests.page.conftest import OpenTab, Site
from tests.support.servers.service import OTHER_ISSUER, token

ADMIN = token(issuer=OTHER_ISSUER, admin=True)
HOUR = 3_600_000
FAILURES = [
    ("origin_not_found", "a.example", 5),
    ("origin_not_found", "b.example", 2),
    ("not_an_image", "a.example", 3),
]
"""Codes, hosts, and how many imports failed so."""


@pytest.fixture(scope="module")
def organisation(site: Site) -> None:
    """Another organisation than that of the other tests: two waiting imports, and failed ones of each hour."""
    own = site.client(ADMIN)
    for number in range(2):
        own.accepted(f"album_id=queue&filename={number}.jpg")
    failed = own.accepted(f"album_id=queue&url={site.origin.url('/nowhere')}")
    own.final(failed)
    copies = [(code, host, hours) for code, host, count in FAILURES for hours in range(count)]
    # More codes and hosts than there are colours, days ago.
    copies += [(f"code{number % 7}", f"h{number % 9}.example", 100) for number in range(60)]
    with closing(sqlite3.connect(site.images.with_name("lading.sqlite3"), timeout=30)) as connection, connection:
        names = [name for _, name, *_ in connection.execute("PRAGMA table_info(imports)")]
        found = connection.execute(f"SELECT {', '.join(names)} FROM imports WHERE id = ?", (failed,)).fetchone()
        connection.execute("DELETE FROM imports WHERE id = ?", (failed,))
        for code, host, hours in copies:
            row = dict(zip(names, found, strict=True))
            moment = row["created_at"] - hours * HOUR
            error = {**json.loads(row["error"]), "code": code}
            params = {**json.loads(row["params"]), "url": f"http://{host}/x.jpg"}
            row |= {"id": str(uuid.uuid4()), "error": json.dumps(error), "params": json.dumps(params)}
            row |= {"created_at": moment, "updated_at": moment}
            connection.execute(
                f"INSERT INTO imports ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                [row[name] for name in names],
            )


def rows(page: Page, name: str) -> list[list[str]]:
    """The cells of a table: that of a chart, or that of the causes."""
    found = page.get_by_role("table", name=name).or_(page.get_by_role("region", name=name).get_by_role("table")).first
    expect(found).to_be_visible()
    return [row.locator("th, td").all_text_contents() for row in found.get_by_role("row").all()]


def test_counts_and_charts(open_tab: OpenTab, organisation: None, tmp_path: Path) -> None:
    with open_tab() as tab:
        tab.sign_in(ADMIN, "queue")
        page = tab.page
        states = page.get_by_role("list", name="Imports by state").get_by_role("listitem")
        expect(states).to_have_text(
            [
                re.compile("Waiting for upload2the oldest came"),
                "In the queue0",
                "Importing0",
                "Failed10the last 24 hours",
            ]
        )
        picture(page, "queue", tmp_path)
        # The keyboard alone opens the tables.
        for name, expected in (
            ("Failures by error", ["From", "origin_not_found", "not_an_image"]),
            ("Failures by host", ["From", "a.example", "b.example"]),
        ):
            chart = page.locator("figure", has=page.get_by_role("heading", name=name))
            chart.locator("summary").press("Enter")
            cells = rows(page, name)
            assert cells[0] == expected
            assert cells[-1] == ["Sum", *{"Failures by error": ("7", "3"), "Failures by host": ("8", "2")}[name]]
            assert len(cells) - 2 == 5, "an hour each, in which something failed"
            drawn = [chart.locator(f".bar{index}").count() - 1 for index in (0, 1)]  # one is in the legend
            assert drawn == ([5, 3] if "error" in name else [5, 2])
        causes = [row[:3] for row in rows(page, "Errors and hosts")[1:]]
        assert causes == [
            ["origin_not_found", "a.example", "5"],
            ["not_an_image", "a.example", "3"],
            ["origin_not_found", "b.example", "2"],
        ]
        page.get_by_label("Failures of", exact=True).select_option("hour")
        expect(states.last).to_have_text("Failed3the last hour")
        page.get_by_label("Failures of", exact=True).select_option("week")
        expect(states.last).to_have_text("Failed70the last 7 days")
        # A table that somebody reads stays open.
        assert rows(page, "Failures by host")[0][-1] == "others"
    with open_tab() as tab:
        tab.sign_in(token(album="a", abilities=("image_list", "see", "webhook_manage")))
        expect(tab.page.locator("nav a")).to_have_text(["Watch", "Find", "Webhooks"])


def test_everybody_can_read_the_queue(open_tab: OpenTab, organisation: None, axe: str) -> None:
    for scheme in ("light", "dark"):
        with open_tab(color_scheme=scheme, viewport={"width": 320, "height": 700}) as tab:
            tab.sign_in(ADMIN, "queue")
            page = tab.page
            page.locator("figure").first.wait_for()
            assert unmet_by_keyboard(page) == []
            for summary in page.locator("figure summary").all():
                summary.click()
            assert violations(page, axe) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
