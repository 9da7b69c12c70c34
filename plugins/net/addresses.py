"""Which IP addresses may be fetched from: public unicast, and what the operator opens.

``ipaddress.is_global`` is no answer: on Python 3.11 it passes NAT64, 6to4, site-local and multicast addresses, and the
metadata services of some clouds. So the tables are our own, after IANA's registries of special-purpose addresses:
https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4_DENIED: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), name)
    for network, name in (
        # Metadata and platform services first, so that the rule that is named says what the address is.
        ("169.254.169.254/32", "cloud metadata"),
        ("192.0.0.192/32", "cloud metadata (Oracle)"),
        ("168.63.129.16/32", "cloud platform service (Azure)"),
        ("100.100.100.200/32", "cloud metadata (Alibaba)"),
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "shared address space (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link-local (RFC 3927)"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112 service (RFC 7535)"),
        ("192.52.193.0/24", "AMT relay anycast (RFC 7450)"),
        ("192.88.99.0/24", "6to4 relay anycast (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("192.175.48.0/24", "AS112 service (RFC 7534)"),
        ("198.18.0.0/15", "benchmarking (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("255.255.255.255/32", "limited broadcast (RFC 8190)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_GLOBAL_UNICAST = IPv6Network("2000::/3")

_IPV6_DENIED: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("fd00:ec2::254/128", "cloud metadata (AWS)"),
        ("fd20:ce::254/128", "cloud metadata (Google)"),
        ("fd00:c1::a9fe:a9fe/128", "cloud metadata (Oracle)"),
        ("fd00:42::42/128", "cloud metadata (Scaleway)"),
        ("::/128", "unspecified (RFC 4291)"),
        ("::1/128", "loopback (RFC 4291)"),
        (str(_MAPPED), "IPv4-mapped (RFC 4291)"),
        (str(_COMPATIBLE), "IPv4-compatible (RFC 4291)"),
        (str(_TRANSLATED), "IPv4-translated (RFC 2765)"),
        (str(_NAT64), "NAT64 (RFC 6052)"),
        (str(_NAT64_LOCAL), "NAT64, local use (RFC 8215)"),
        ("100::/64", "discard only (RFC 6666)"),
        ("100:0:0:1::/64", "dummy prefix (RFC 9780)"),
        (str(_TEREDO), "Teredo (RFC 4380)"),
        ("2001::/23", "IETF protocol assignments (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        (str(_SIX_TO_FOUR), "6to4 (RFC 3056)"),
        ("2620:4f:8000::/48", "AS112 service (RFC 7534)"),
        ("3ffe::/16", "6bone, returned (RFC 3701)"),
        ("3fff::/20", "documentation (RFC 9637)"),
        ("5f00::/16", "segment routing (RFC 9602)"),
        ("fc00::/7", "unique local (RFC 4193)"),
        ("fe80::/10", "link-local (RFC 4291)"),
        ("fec0::/10", "site-local (RFC 3879)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    )
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an address may be connected to.

    Attributes:
        allowed: the answer.
        rule: what decided, for the operator: ``allow_networks 10.0.0.0/8``, ``loopback (RFC 1122)``, ``public``.
    """

    allowed: bool
    rule: str


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Judges addresses.

    An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) must
    pass twice: as it is, and as each IPv4 address that it carries.

    Attributes:
        allow_networks: networks that are open whatever the tables say. An IPv4 network opens the IPv6 addresses that
            carry its addresses as well; an IPv6 network does not open the IPv4 addresses that its addresses carry.
        deny_networks: networks that are closed, carried addresses included; they beat ``allow_networks``.
    """

    allow_networks: tuple[Network, ...] = ()
    deny_networks: tuple[Network, ...] = ()

    def verdict(self, address: Address | str) -> Verdict:
        """Judge one address; a text that is no address, and an address with a zone id, are denied."""
        if isinstance(address, str):
            try:
                address = ip_address(address)
            except ValueError:
                return Verdict(False, "not an IP address")
        if isinstance(address, IPv4Address):
            return self._plain(address)
        if address.scope_id is not None:
            return Verdict(False, "address with a zone id (RFC 4007)")
        return self._ipv6(address)

    def _ipv6(self, address: IPv6Address) -> Verdict:
        own = self._plain(address)
        carried = [(inner, self._plain(inner)) for inner in embedded_ipv4(address)]
        for inner, verdict in carried:
            if not verdict.allowed:
                return Verdict(False, f"carries {inner}: {verdict.rule}")
        if own.allowed or _find(address, self.deny_networks):
            return own
        for inner, verdict in carried:
            if _find(inner, self.allow_networks):
                return Verdict(True, f"carries {inner}: {verdict.rule}")
        return own

    def _plain(self, address: Address) -> Verdict:
        """Judge an address without regard to what it may carry."""
        if network := _find(address, self.deny_networks):
            return Verdict(False, f"deny_networks {network}")
        if network := _find(address, self.allow_networks):
            return Verdict(True, f"allow_networks {network}")
        if name := _denied_by_table(address):
            return Verdict(False, name)
        return Verdict(True, "public")


def embedded_ipv4(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address carries, by whichever scheme it may have been made."""
    return tuple(dict.fromkeys(IPv4Address(number) for number in _embedded(address)))


def _embedded(address: IPv6Address) -> Iterator[int]:
    number = int(address)
    low = number & 0xFFFFFFFF
    if address in _COMPATIBLE and low > 1:  # :: and ::1 carry nothing
        yield low
    if any(address in network for network in (_MAPPED, _TRANSLATED, _NAT64)):
        yield low
    if address in _NAT64_LOCAL:
        yield from _rfc6052(number)
    if address in _SIX_TO_FOUR:
        yield number >> 80 & 0xFFFFFFFF
    if address in _TEREDO:
        yield number >> 64 & 0xFFFFFFFF  # the server
        yield low ^ 0xFFFFFFFF  # the client (RFC 4380 section 4)
    if number >> 32 & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE):  # ISATAP (RFC 5214 section 6.1)
        yield low


def _rfc6052(number: int) -> Iterator[int]:
    """What an address of a local NAT64 prefix may carry (RFC 6052 section 2.2).

    The prefix may be 48, 56, 64 or 96 bits long, and nothing in the address says which. A layout is possible where the
    bits that it leaves free, bits 64 to 71 among them, are zero; one that would yield 0.0.0.0 is not meant.
    """
    without_gap = number >> 64 << 56 | number & (1 << 56) - 1
    gap = number >> 56 & 0xFF
    found = [without_gap >> shift & 0xFFFFFFFF for shift in (40, 32, 24) if not without_gap & (1 << shift) - 1]
    if not gap:
        yield from (value for value in found if value)
    if low := number & 0xFFFFFFFF:
        yield low


def _find(address: Address, networks: tuple[Network, ...]) -> Network | None:
    return next((network for network in networks if address in network), None)


def _denied_by_table(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((name for network, name in _IPV4_DENIED if address in network), None)
    name = next((name for network, name in _IPV6_DENIED if address in network), None)
    if name is None and address not in _GLOBAL_UNICAST:
        return "outside global unicast 2000::/3 (RFC 4291)"
    return name
