"""Who sent a request, seen past the operator's own proxies."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.api.http.client_address import client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.3 ,10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", " , ,198.51.100.1, ,", "198.51.100.1"),
        ("10.0.0.1", "not an address", "not an address"),
        ("10.0.0.1", "198.51.100.1, unknown", "unknown"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2:5000", "10.0.0.2:5000"),
        ("not an address", "198.51.100.1", "not an address"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours(peer: str, forwarded_for: str, expected: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == expected


def test_without_trusted_proxies_only_the_peer_counts() -> None:
    assert client_address("10.0.0.1", "198.51.100.1", []) == "10.0.0.1"


@given(hops=st.lists(st.text() | st.sampled_from(["10.0.0.9", "10.1.2.3"])))
def test_what_a_stranger_sends_before_the_last_hop_is_never_reached(hops: list[str]) -> None:
    header = ",".join([*hops, "203.0.113.9"])
    assert client_address("10.0.0.1", header, PROXIES) == "203.0.113.9"


@given(peer=st.text() | st.just("10.0.0.1"), header=st.text())
def test_any_text_gives_a_short_answer(peer: str, header: str) -> None:
    assert len(client_address(peer, header, PROXIES)) <= 64


def test_an_endless_value_is_cut() -> None:
    assert client_address("10.0.0.1", "x" * 16_000, PROXIES) == "x" * 64
