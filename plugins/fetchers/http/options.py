"""The options of the ``http`` fetcher: section ``[fetch.http]`` of ``service.conf``."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from ...net.addresses import Verdict
from ...net.hosts import HostPattern, parse_host_pattern
from ...options import CommaSeparated, PluginOptions

_LAST_PORT = 65535


class PortRange(NamedTuple):
    """Ports ``first`` to ``last``, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def _parse_port_range(value: Any) -> Any:
    """Read ``443`` or ``8000-8999``."""
    if not isinstance(value, str):
        return value
    first, dash, last = (part.strip() for part in value.partition("-"))
    ends = (first, last if dash else first)
    if not all(end.isascii() and end.isdigit() and len(end) <= 5 for end in ends):  # noqa: PLR2004 - digits of a port
        raise ValueError(f"{value!r} is neither a port nor a range of ports such as 8000-8999")
    ports = PortRange(int(ends[0]), int(ends[1]))
    if not 1 <= ports.first <= ports.last <= _LAST_PORT:
        raise ValueError(f"{value!r} is not within 1-{_LAST_PORT}, or its ends are swapped")
    return ports


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], CommaSeparated]
Hosts = Annotated[tuple[Annotated[HostPattern, BeforeValidator(parse_host_pattern)], ...], CommaSeparated]
Ports = Annotated[tuple[Annotated[PortRange, BeforeValidator(_parse_port_range)], ...], CommaSeparated]


class HttpOptions(PluginOptions):
    """Limits of the ``http`` fetcher. None of them can be switched off."""

    allow_networks: Networks = Field(
        default=(),
        description="Networks that may be fetched from although they are not public, such as 10.1.0.0/16.",
    )
    deny_networks: Networks = Field(
        default=(),
        description="Networks that may never be fetched from; they beat allow_networks.",
    )
    allow_hosts: Hosts = Field(
        default=(),
        description="Hosts beside which none may be fetched from, such as images.example.org, or .example.org with"
        " every name below it.",
    )
    deny_hosts: Hosts = Field(
        default=(),
        description="Hosts that may not be fetched from; they beat allow_hosts.",
    )
    ports: Ports = Field(
        default=(PortRange(80, 80), PortRange(443, 443), PortRange(8000, 8999)),
        min_length=1,
        description="Ports and ranges of ports that may be fetched from.",
    )
    max_bytes: int = Field(default=32 * 1024**2, ge=1, le=1024**3, description="Longest body, in bytes.")
    max_redirects: int = Field(default=5, ge=0, le=20, description="Redirects that are followed.")
    url_max_bytes: int = Field(default=8192, ge=16, le=65536, description="Longest URL, in bytes.")
    dns_timeout: float = Field(default=3, gt=0, le=60, description="Seconds that looking up a host may take.")
    connect_timeout: float = Field(default=5, gt=0, le=60, description="Seconds that connecting and TLS may take.")
    head_timeout: float = Field(
        default=10, gt=0, le=120, description="Seconds from the request to the end of the response's head."
    )
    head_max_bytes: int = Field(
        default=32768, ge=1024, le=262144, description="Longest response head, interim responses included, in bytes."
    )
    read_timeout: float = Field(default=15, gt=0, le=120, description="Longest gap within the body, in seconds.")
    total_timeout: float = Field(
        default=60, gt=0, le=3600, description="Seconds that the whole fetch may take, redirects and body included."
    )
    min_rate: int = Field(default=1024, ge=1, le=1024**3, description="Slowest body that is put up with, in bytes/s.")
    min_rate_window: float = Field(default=30, gt=0, le=3600, description="Seconds over which min_rate is measured.")
    user_agent: str = Field(
        default="Lading",
        pattern=r"^[!-~](?:[ -~]{0,254}[!-~])?$",
        description="User-Agent header, unless the client sets one.",
    )
    connections: int = Field(
        default=100, ge=1, le=4096, description="Fetches at once; up to as many idle connections are kept besides."
    )
    keep_alive: float = Field(
        default=15, gt=0, le=300, description="Seconds that an idle connection is kept for the next fetch."
    )

    def port_verdict(self, port: int) -> Verdict:
        """Whether ``ports`` names this port."""
        found = next((ports for ports in self.ports if ports.first <= port <= ports.last), None)
        return Verdict(True, f"ports {found}") if found else Verdict(False, "not in ports")
