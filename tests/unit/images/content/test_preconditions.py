"""Conditional requests, in the precedence of RFC 9110 section 13.2.2."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.images.content.preconditions import Conditions, Verdict, evaluate, http_date

ETAG = '"0f0f"'
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SAME = "Fri, 02 Jan 2026 03:04:05 GMT"
BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT"
AFTER = "Fri, 02 Jan 2026 03:04:06 GMT"
PROCEED, NOT_MODIFIED, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ({}, PROCEED),
        ({"if_match": ETAG}, PROCEED),
        ({"if_match": "*"}, PROCEED),
        ({"if_match": f'"x", {ETAG}'}, PROCEED),
        ({"if_match": '"x"'}, FAILED),
        ({"if_match": f"W/{ETAG}"}, FAILED),
        ({"if_match": ""}, FAILED),
        ({"if_match": "0f0f"}, FAILED),
        ({"if_unmodified_since": SAME}, PROCEED),
        ({"if_unmodified_since": AFTER}, PROCEED),
        ({"if_unmodified_since": BEFORE}, FAILED),
        ({"if_unmodified_since": "nonsense"}, PROCEED),
        ({"if_match": ETAG, "if_unmodified_since": BEFORE}, PROCEED),
        ({"if_none_match": ETAG}, NOT_MODIFIED),
        ({"if_none_match": f"W/{ETAG}"}, NOT_MODIFIED),
        ({"if_none_match": f'"x" , W/"y",{ETAG}'}, NOT_MODIFIED),
        ({"if_none_match": " * "}, NOT_MODIFIED),
        ({"if_none_match": '"x"'}, PROCEED),
        ({"if_none_match": '"*"'}, PROCEED),
        ({"if_none_match": ""}, PROCEED),
        ({"if_modified_since": SAME}, NOT_MODIFIED),
        ({"if_modified_since": AFTER}, NOT_MODIFIED),
        ({"if_modified_since": BEFORE}, PROCEED),
        ({"if_modified_since": "nonsense"}, PROCEED),
        ({"if_none_match": '"x"', "if_modified_since": SAME}, PROCEED),
        ({"if_none_match": ETAG, "if_modified_since": BEFORE}, NOT_MODIFIED),
        ({"if_match": '"x"', "if_none_match": ETAG}, FAILED),
        ({"if_match": ETAG, "if_none_match": ETAG}, NOT_MODIFIED),
        ({"if_unmodified_since": BEFORE, "if_modified_since": SAME}, FAILED),
    ],
)
def test_the_verdict(conditions: dict[str, str], verdict: Verdict) -> None:
    assert evaluate(Conditions(**conditions), ETAG, MODIFIED) is verdict


@pytest.mark.parametrize("value", [SAME, "Friday, 02-Jan-26 03:04:05 GMT", "Fri Jan  2 03:04:05 2026"])
def test_all_three_forms_of_a_date_are_read(value: str) -> None:
    assert http_date(value) == MODIFIED


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0",
        "2026-01-02",
        "Fri, 99 Jan 2026 03:04:05 GMT",
        "Fri, 02 Jan 99999 3:4:5 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
    ],
)
def test_what_is_no_date(value: str | None) -> None:
    assert http_date(value) is None


header = st.none() | st.text() | st.from_regex(r"[A-Za-z]{3}, \d+ Jan \d+ \d+:\d+:\d+ [-+A-Z0-9]*") | st.just(ETAG)


@given(header, header, header, header)
def test_nothing_a_stranger_sends_breaks_it(
    one: str | None, two: str | None, three: str | None, four: str | None
) -> None:
    assert evaluate(Conditions(one, two, three, four), ETAG, MODIFIED) in Verdict
