"""The sender of a request, behind the operator's own reverse proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The nearest address that does not belong to a trusted proxy.

    Args:
        peer: address of the connection's other end.
        forwarded_for: the request's ``X-Forwarded-For``, or the empty string. Each proxy appends the address that it
            sees, so this reads the field from its end, as far as the trusted proxies reach.
        trusted: networks of the operator's proxies.
    """
    address = peer
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and _is_in(address, trusted):
        address = hops.pop()
    return address[:MAX_LENGTH]


MAX_LENGTH = 64


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
