"""Who sent a request, seen past the operator's own reverse proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address nearest to us that is not a trusted proxy's.

    Args:
        peer: address of the connection's other end.
        forwarded_for: the request's ``X-Forwarded-For``, or the empty string; every proxy appends whom it saw, so it is
            read from its end, and no further than the trusted proxies reach.
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
