"""Headers that the operator sends to some hosts: credentials, and the names under which Lading asks there."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...contracts import Source
from ...net.hosts import HostPattern, parse_host_pattern
from ...net.origins import HARMLESS
from ...net.urls import DEFAULT_PORTS, HttpUrl
from .requests import is_allowed

_TARGET: Final = re.compile(r"(?:(https?)://)?([^:/@?#\s]+)(?::([0-9]{1,5}))?/?")
_LAST_PORT: Final = 65535
_ORGANIZATION: Final = "organization:"
_BASIC: Final = "basic "
_NO_HEADERS: Final = frozenset({"organization", "organisation", "issuer", "album"})
"""Names that are meant as conditions: as a header they would give a secret to every organisation."""
_AGENT: Final = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")


@dataclass(frozen=True, slots=True)
class Credential:
    """A header for the requests to an origin.

    Attributes:
        scheme, host, port: the origin; the host may stand for every name below it.
        organization_id: the organisation whose imports send the header; None for all.
        name, value: the header. The value is a secret, so it has no repr.
    """

    scheme: str
    host: HostPattern
    port: int
    organization_id: str | None
    name: str
    value: str = field(repr=False)

    def fits(self, url: HttpUrl, organization_id: str | None) -> bool:
        """Whether a request to this URL, for an import of this organisation, has the header."""
        return (
            (url.scheme, url.port) == (self.scheme, self.port)
            and self.host.matches(url.host)
            and self.organization_id in (None, organization_id)
        )


def parse_credentials(text: str) -> tuple[Credential, ...]:
    """Read the credentials of ``[fetch.http]``, one a line.

    A line has a host, as ``[https://]host[:port]``; then maybe ``organization:ID``; then ``Name: value`` or
    ``basic user:password`` (RFC 7617). Credentials go over http only where the line says ``http://``.

    Raises:
        ValueError: names the first faulty line by its number, and repeats no part of it.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(_credential(line.strip()))
            except ValueError as error:
                raise ValueError(f"line {number} {error}") from None
    return tuple(found)


def _credential(line: str) -> Credential:
    target, _, rest = line.partition(" ")
    match = _TARGET.fullmatch(target)
    try:
        host = parse_host_pattern(match[2]) if match else None
    except ValueError:
        host = None
    if match is None or host is None:
        raise ValueError("begins with no host such as images.example.org or https://.example.org:8443")
    scheme = match[1] or "https"
    port = int(match[3] or DEFAULT_PORTS[scheme])
    if not 1 <= port <= _LAST_PORT:
        raise ValueError("has a port that is not within 1-65535")
    rest = rest.strip()
    organization = None
    if rest.startswith(_ORGANIZATION):
        organization, _, rest = rest.removeprefix(_ORGANIZATION).partition(" ")
        if not organization:
            raise ValueError("has no id after organization:")
    name, value = _header(rest.strip())
    return Credential(scheme, host, port, organization, name, value)


def _header(text: str) -> tuple[str, str]:
    if text.startswith(_BASIC):
        user, colon, _ = text.removeprefix(_BASIC).strip().partition(":")
        if not colon or not user:
            raise ValueError("has no user:password after basic")
        encoded = base64.b64encode(text.removeprefix(_BASIC).strip().encode()).decode()
        return "Authorization", f"Basic {encoded}"
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not value:
        raise ValueError("ends in neither 'Name: value' nor 'basic user:password'")
    if name.lower() in _NO_HEADERS:
        raise ValueError(f"has the header {name!r}; a condition is organization:ID, in lower case")
    if not is_allowed(name, value):
        raise ValueError("names a header that no fetch may set, or has a malformed one")
    if name.lower() in HARMLESS:
        raise ValueError("names a header that redirects carry to other hosts, so it cannot be secret")
    return name, value


def parse_user_agents(text: str) -> tuple[tuple[HostPattern, str], ...]:
    """Read ``host agent``, one a line.

    Raises:
        ValueError: names the first faulty line by its number.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        host, _, agent = line.strip().partition(" ")
        if not host:
            continue
        if not _AGENT.fullmatch(agent.strip()):
            raise ValueError(f"line {number} has no User-Agent of 1 to 256 printable ASCII characters after the host")
        found.append((parse_host_pattern(host), agent.strip()))
    return tuple(found)


class OperatorHeaders:
    """Adds the operator's headers to those of a client, whose own of the same name win.

    Args:
        credentials: see ``parse_credentials``; of several for one header, the first that fits counts.
        agents: see ``parse_user_agents``; likewise.
        agent: the ``User-Agent`` for all other hosts.
    """

    def __init__(
        self, credentials: Sequence[Credential], agents: Sequence[tuple[HostPattern, str]], agent: str
    ) -> None:
        self._credentials = credentials
        self._agents = agents
        self._agent = agent

    def with_credentials(self, url: HttpUrl, source: Source) -> Mapping[str, str]:
        """The headers for the first request of a fetch. Like those of the client, they go to this origin alone."""
        headers = dict(source.headers)
        given = {name.lower() for name in headers}
        for one in self._credentials:
            if one.name.lower() not in given and one.fits(url, source.organization_id):
                given.add(one.name.lower())
                headers[one.name] = one.value
        return headers

    def names(self, url: HttpUrl, source: Source) -> list[str]:
        """The names of the operator's headers in ``with_credentials``."""
        return [name for name in self.with_credentials(url, source) if name not in source.headers]

    def agent_for(self, url: HttpUrl) -> str:
        """The ``User-Agent`` of a request whose client sets no other."""
        return next((agent for host, agent in self._agents if host.matches(url.host)), self._agent)
