"""The options of the ``http`` fetcher: section ``[fetch.http]`` of ``service.conf``."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from ...host.validation import SILENT
from ...net.addresses import Verdict
from ...net.hosts import HostPattern, parse_host_pattern
from ...net.options import NetworkOptions
from ...options import CommaSeparated
from .credentials import OperatorHeaders, parse_credentials, parse_user_agents
from .wire.proxy import Proxy, parse_proxy

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


Hosts = Annotated[tuple[Annotated[HostPattern, BeforeValidator(parse_host_pattern)], ...], CommaSeparated]
Ports = Annotated[tuple[Annotated[PortRange, BeforeValidator(_parse_port_range)], ...], CommaSeparated]


def _judged_by(parse: Callable[[str], object]) -> Callable[[SecretStr], SecretStr]:
    """A validator that lets pass what can be parsed, and repeats nothing of what cannot."""

    def judge(value: SecretStr) -> SecretStr:
        try:
            parse(value.get_secret_value())
        except ValueError as error:
            raise PydanticCustomError(SILENT, "{problem}", {"problem": str(error)}) from None
        return value

    return judge


def _judged_user_agents(value: str) -> str:
    parse_user_agents(value)
    return value


class HttpOptions(NetworkOptions):
    """Limits of the ``http`` fetcher. None of them can be switched off."""

    allow_hosts: Hosts = Field(
        default=(),
        description=(
            "If set, the only hosts that Lading fetches from, such as images.example.org, or .example.org"
            " for the host and every name below it. Lading still checks the addresses of these hosts, and"
            " refuses a URL that has an address in place of a host name."
        ),
    )
    deny_hosts: Hosts = Field(
        default=(),
        description=(
            "Hosts that Lading never fetches from, in the syntax of allow_hosts. This list overrides"
            " allow_hosts. It does not block the hosts' addresses, which other names may share: use"
            " deny_networks to block addresses."
        ),
    )
    ports: Ports = Field(
        default=(PortRange(80, 80), PortRange(443, 443), PortRange(8000, 8999)),
        min_length=1,
        description="Ports and port ranges that Lading may fetch from.",
    )
    max_bytes: int = Field(default=32 * 1024**2, ge=1, le=1024**3, description="Longest response body, in bytes.")
    max_redirects: int = Field(
        default=5,
        ge=0,
        le=20,
        description="Maximum redirects that Lading follows. Each redirect passes every check again.",
    )
    url_max_bytes: int = Field(default=8192, ge=16, le=65536, description="Longest URL, in bytes.")
    head_timeout: float = Field(
        default=10, gt=0, le=120, description="Seconds from the request to the end of the response head."
    )
    head_max_bytes: int = Field(
        default=32768, ge=1024, le=262144, description="Longest response head, including interim responses, in bytes."
    )
    read_timeout: float = Field(default=15, gt=0, le=120, description="Longest pause within the body, in seconds.")
    total_timeout: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Seconds that the whole fetch may take, including redirects and the body.",
    )
    min_rate: int = Field(
        default=1024,
        ge=1,
        le=1024**3,
        description="Slowest transfer rate of a body that Lading accepts, in bytes per second.",
    )
    min_rate_window: float = Field(
        default=30, gt=0, le=3600, description="Seconds over which Lading measures min_rate."
    )
    user_agent: str = Field(
        default="Lading",
        pattern=r"^[!-~](?:[ -~]{0,254}[!-~])?$",
        description="User-Agent header of a fetch whose client sets no other.",
    )
    user_agents: Annotated[str, AfterValidator(_judged_user_agents)] = Field(
        default="",
        description=(
            "Hosts with their own User-Agent instead of user_agent, one a line, such as .example.org MyBot/1.0"
            " (+https://my.example/bot). Hosts are as in allow_hosts. The first that fits counts."
        ),
    )
    credentials: Annotated[SecretStr, AfterValidator(_judged_by(parse_credentials))] = Field(
        default=SecretStr(""),
        description=(
            "Headers that hosts demand, one a line: a host, maybe organization:ID, and a header. Such as"
            " images.example.org X-Api-Key: my-key, or .example.org:8443 organization:acme basic user:password."
            " The first that fits counts. Without organization:ID, the imports of all organisations send the"
            " header. It goes over https alone, unless the host begins with http://, and no redirect carries it"
            " to another origin. A client's own header of the same name wins. Use $file:PATH or $env:NAME to keep"
            " the lines out of this file."
        ),
    )
    proxy: Annotated[SecretStr, AfterValidator(_judged_by(parse_proxy))] = Field(
        default=SecretStr(""),
        description=(
            "Proxy for every fetch and webhook: http://[user:password@]host:port or socks5://[user:password@]host:port."
            " Empty connects directly. Use $file:PATH or $env:NAME to keep a password out of this file."
        ),
    )
    proxy_lookup: Literal["local", "remote"] = Field(
        default="local",
        description=(
            "What looks host names up if there is a proxy. With local, Lading looks them up, judges the addresses,"
            " and asks the proxy for an address; but http without TLS reaches an HTTP proxy by name, which the proxy"
            " looks up again. With remote, the proxy looks all names up. Nobody judges what the proxy looks up: let it"
            " refuse addresses that are not public itself."
        ),
    )
    connections: int = Field(
        default=100,
        ge=1,
        le=4096,
        description=(
            "Fetches that run at once; issuers take turns. The pool keeps up to as many idle connections besides."
        ),
    )
    keep_alive: float = Field(
        default=15, gt=0, le=300, description="Seconds that an idle connection stays open for the next fetch."
    )

    @property
    def proxy_looks_up(self) -> bool:
        """Whether a proxy looks host names up, so that nobody judges their addresses."""
        return self.proxy_lookup == "remote" and self.way_out() is not None

    def way_out(self) -> Proxy | None:
        """``proxy``, parsed; None without one."""
        return parse_proxy(self.proxy.get_secret_value())

    def operator_headers(self) -> OperatorHeaders:
        """``credentials``, ``user_agents`` and ``user_agent``, parsed."""
        credentials = parse_credentials(self.credentials.get_secret_value())
        return OperatorHeaders(credentials, parse_user_agents(self.user_agents), self.user_agent)

    def port_verdict(self, port: int) -> Verdict:
        """Whether ``ports`` names this port."""
        found = next((ports for ports in self.ports if ports.first <= port <= ports.last), None)
        return Verdict(True, f"ports {found}") if found else Verdict(False, "not in ports")
