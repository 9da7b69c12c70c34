from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.fetchers.addresses import AddressPolicy, Network, embedded_ipv4

PUBLIC = AddressPolicy()


def policy(allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> AddressPolicy:
    def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
        return tuple(ip_network(text) for text in texts)

    return AddressPolicy(networks(allow), networks(deny))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2620:0:2d0:200::7",
        "2a00:1450:4001:80b::200e",
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    verdict = PUBLIC.verdict(address)
    assert verdict.allowed
    assert verdict.rule == "public"


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("0.0.0.0", "this network"),
        ("0.1.2.3", "this network"),
        ("10.255.0.1", "private use"),
        ("100.64.0.1", "shared address space"),
        ("100.100.100.200", "cloud metadata (Alibaba)"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "cloud platform service (Azure)"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("172.16.0.1", "private use"),
        ("172.31.255.255", "private use"),
        ("192.0.0.1", "IETF protocol assignments"),
        ("192.0.0.192", "cloud metadata (Oracle)"),
        ("192.0.2.1", "documentation"),
        ("192.31.196.1", "AS112"),
        ("192.52.193.1", "AMT"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.0.1", "private use"),
        ("192.175.48.1", "AS112"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "limited broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "carries 0.0.0.2"),
        ("64:ff9b:1::", "NAT64, local use"),
        ("100::1", "discard only"),
        ("100:0:0:1::1", "dummy prefix"),
        ("2001:2::1", "IETF protocol assignments"),
        ("2001:10::1", "IETF protocol assignments"),
        ("2001:20::1", "IETF protocol assignments"),
        ("2001:1ff::1", "IETF protocol assignments"),
        ("2001:db8::1", "documentation"),
        ("2620:4f:8000::1", "AS112"),
        ("3fff::1", "documentation"),
        ("5f00::1", "segment routing"),
        ("4000::1", "outside global unicast"),
        ("200::1", "outside global unicast"),
        ("fc00::1", "unique local"),
        ("fd00:ec2::254", "cloud metadata (AWS)"),
        ("fd20:ce::254", "cloud metadata (Google)"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2606:4700::1111%eth0", "zone id"),
        ("fe80::1%lo", "zone id"),
        ("localhost", "not an IP address"),
        ("127.1", "not an IP address"),
        ("", "not an IP address"),
    ],
)
def test_special_addresses_are_denied_by_the_rule_that_is_named(address: str, rule: str) -> None:
    verdict = PUBLIC.verdict(address)
    assert not verdict.allowed
    assert rule in verdict.rule


# Every way to write an IPv4 address into an IPv6 one, for 127.0.0.1.
CARRIERS = {
    "mapped": "::ffff:127.0.0.1",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::127.0.0.1",
    "NAT64, local /96": "64:ff9b:1::127.0.0.1",
    "NAT64, local /48": "64:ff9b:1:7f00:0:100::",
    "NAT64, local /56": "64:ff9b:1:7f:0:1::",
    "NAT64, local /64": "64:ff9b:1:0:7f:0:100:0",
    "6to4": "2002:7f00:1::1",
    "Teredo client": "2001:0:808:808::80ff:fffe",
    "Teredo server": "2001:0:7f00:1::f7f7:f7f7",
    "ISATAP": "2606:4700::5efe:127.0.0.1",
    "ISATAP, universal": "2606:4700::200:5efe:127.0.0.1",
}


@pytest.mark.parametrize("address", CARRIERS.values(), ids=CARRIERS)
def test_carried_ipv4_addresses_are_found_and_judged(address: str) -> None:
    assert IPv4Address("127.0.0.1") in embedded_ipv4(IPv6Address(address))
    assert PUBLIC.verdict(address).rule == "carries 127.0.0.1: loopback (RFC 1122)"
    assert not PUBLIC.verdict(address).allowed
    assert not policy(allow=("::/0",)).verdict(address).allowed


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1"])
def test_an_allowed_ipv4_network_opens_what_carries_it(address: str) -> None:
    verdict = policy(allow=("127.0.0.0/8",)).verdict(address)
    assert verdict.allowed
    assert verdict.rule == "carries 127.0.0.1: allow_networks 127.0.0.0/8"


@pytest.mark.parametrize("address", CARRIERS.values(), ids=CARRIERS)
def test_a_denied_ipv4_network_closes_what_carries_it(address: str) -> None:
    verdict = policy(allow=("0.0.0.0/0", "::/0"), deny=("127.0.0.0/8",)).verdict(address)
    assert not verdict.allowed
    assert verdict.rule == "carries 127.0.0.1: deny_networks 127.0.0.0/8"


def test_a_carrier_of_a_public_address_stays_denied_until_its_own_network_is_allowed() -> None:
    assert not PUBLIC.verdict("64:ff9b::8.8.8.8").allowed
    assert PUBLIC.verdict("64:ff9b::8.8.8.8").rule == "NAT64 (RFC 6052)"
    nat64 = policy(allow=("64:ff9b::/96",))
    assert nat64.verdict("64:ff9b::8.8.8.8").allowed
    assert not nat64.verdict("64:ff9b::10.0.0.1").allowed


@pytest.mark.parametrize(
    "address", ["64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "64:ff9b:1:8:8:808::", "64:ff9b:1:0:8:808:800:0"]
)
def test_local_nat64_can_be_opened_in_every_layout(address: str) -> None:
    assert policy(allow=("64:ff9b:1::/48",)).verdict(address).allowed


def test_an_isatap_interface_with_a_public_address_is_public() -> None:
    assert PUBLIC.verdict("2606:4700::5efe:8.8.8.8").allowed


def test_the_operator_opens_and_closes_networks_and_closing_wins() -> None:
    mixed = policy(allow=("10.0.0.0/8", "fd00::/8"), deny=("10.6.0.0/16", "fd06::/16", "8.8.0.0/16"))
    assert mixed.verdict("10.1.2.3").rule == "allow_networks 10.0.0.0/8"
    assert mixed.verdict("10.1.2.3").allowed
    assert mixed.verdict("fd00::1").allowed
    assert mixed.verdict("10.6.0.1").rule == "deny_networks 10.6.0.0/16"
    assert not mixed.verdict("10.6.0.1").allowed
    assert not mixed.verdict("fd06::1").allowed
    assert not mixed.verdict("8.8.8.8").allowed
    assert mixed.verdict("8.9.8.8").allowed
    assert not mixed.verdict("127.0.0.1").allowed


def test_opening_everything_does_not_open_zones() -> None:
    assert not policy(allow=("::/0", "0.0.0.0/0")).verdict("fe80::1%eth0").allowed


@given(st.ip_addresses(v=6))
def test_nothing_outside_global_unicast_is_allowed(address: IPv6Address) -> None:
    verdict = PUBLIC.verdict(address)
    assert not verdict.allowed or int(address) >> 125 == 1
    assert verdict == PUBLIC.verdict(str(address))


@given(st.ip_addresses(v=4, network="127.0.0.0/8"), st.integers(0, 2**64 - 1))
def test_no_address_carries_loopback_unseen(inner: IPv4Address, noise: int) -> None:
    carriers = (
        int(inner),
        0xFFFF << 32 | int(inner),
        0x64FF9B << 96 | int(inner),
        0x2002 << 112 | int(inner) << 80 | noise,
        0x20010000 << 96 | (noise & 0xFFFFFFFF) << 64 | int(inner) ^ 0xFFFFFFFF,
        0x2606 << 112 | 0x5EFE << 32 | int(inner),
    )
    for carrier in carriers:
        assert not PUBLIC.verdict(IPv6Address(carrier)).allowed
