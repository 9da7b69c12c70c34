import re
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.plugins.net.addresses import AddressPolicy, Network, embedded_ipv4

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


# IANA's registries of special-purpose addresses, entry by entry, and what else is not for unicast.
REGISTRIES = re.findall(
    r"\S+",
    """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
    192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
    2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
    2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
    fec0::/10 ff00::/8 ::/8 200::/7 400::/6 800::/5 1000::/4 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4
    f000::/5 f800::/6 fe00::/9 3ffe::/16
    """,
)

# Where clouds keep what is for their own machines alone.
METADATA = re.findall(
    r"\S+",
    """
    169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.253 169.254.169.123 169.254.42.42 169.254.0.23
    100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd00:ec2::253 fd00:ec2::123 fd20:ce::254
    fd00:42::42 fd00:c1::a9fe:a9fe fe80::a9fe:a9fe ::ffff:169.254.169.254 64:ff9b::169.254.169.254
    2002:a9fe:a9fe::1 64:ff9b::168.63.129.16 ::ffff:100.100.100.200
    """,
)


@pytest.mark.parametrize("network", [ip_network(text) for text in REGISTRIES], ids=str)
def test_every_special_purpose_network_is_denied_from_end_to_end(network: Network) -> None:
    middle = network[network.num_addresses // 2]
    for address in (network.network_address, middle, network.broadcast_address):
        assert not PUBLIC.verdict(address).allowed, address


@pytest.mark.parametrize("address", METADATA)
def test_the_metadata_services_of_clouds_are_denied(address: str) -> None:
    assert not PUBLIC.verdict(address).allowed


@pytest.mark.parametrize(
    "address",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "126.255.255.255", "128.0.0.0", "169.253.255.255"),
        *("169.255.0.0", "191.255.255.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255"),
        *("192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255"),
        *("203.0.114.0", "223.255.255.255", "168.63.129.15", "168.63.129.17", "100.128.0.0"),
        *("2000::", "2001:200::", "2001:db7:ffff::1", "2001:db9::", "2003::", "2620:4f:7fff::1", "2620:4f:8001::"),
        *("2001:4860:4860::8888", "3ffd:ffff::1", "3fff:1000::"),
    ],
)
def test_the_tables_take_no_more_than_the_registries_do(address: str) -> None:
    assert PUBLIC.verdict(address).allowed


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
