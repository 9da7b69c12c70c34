"""Response headers in the contract's case and order."""

from tornado.httputil import HTTPHeaders

from lading.service.api.http.headers import FIXED, WireHeaders
from tests.api.description.test_contract import RESPONSE_HEADERS


def written(headers: HTTPHeaders) -> list[tuple[str, str]]:
    return list(headers.get_all())


def test_names_have_the_contract_s_case_however_they_were_set() -> None:
    headers = WireHeaders()
    for name, _ in RESPONSE_HEADERS:
        headers[name.lower()] = "x"
    assert [name for name, _ in written(headers)] == [name for name, _ in RESPONSE_HEADERS]


def test_the_order_is_the_contract_s_in_whichever_order_they_were_set() -> None:
    headers = WireHeaders()
    for name, value in reversed(RESPONSE_HEADERS):
        headers[name] = value
    assert written(headers) == [(name, value) for name, value in RESPONSE_HEADERS]


def test_fixed_headers_are_the_contract_s() -> None:
    contract = dict(RESPONSE_HEADERS)
    assert all(contract[name] == value for name, value in FIXED)


def test_others_come_last_and_repeated_ones_stay_in_their_order() -> None:
    headers = WireHeaders()
    headers.add("X-Other", "1")
    headers.add("Set-Cookie", "b")
    headers.add("Content-Length", "5")
    headers.add("Set-Cookie", "a")
    headers.add("Vary", "y")
    headers.add("Vary", "x")
    assert written(headers) == [
        ("Vary", "y"),
        ("Vary", "x"),
        ("Content-Length", "5"),
        ("X-Other", "1"),
        ("Set-Cookie", "b"),
        ("Set-Cookie", "a"),
    ]


def test_reading_is_still_without_regard_to_case() -> None:
    headers = WireHeaders()
    headers["x-xss-protection"] = "0"
    headers["X-XSS-Protection"] = "1; mode=block"
    assert headers["X-Xss-Protection"] == "1; mode=block"
    assert written(headers) == [("X-XSS-Protection", "1; mode=block")]
    del headers["X-XSS-PROTECTION"]
    assert written(headers) == []
