"""Which host names may be fetched from, by the operator's lists of names."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import UrlInvalid
from .addresses import Verdict
from .urls import address_of, canonical_host


class HostPattern(NamedTuple):
    """A host name in its canonical form, alone or with every name below it."""

    name: str
    with_subdomains: bool

    def matches(self, host: str) -> bool:
        """Whether it names the host, which is canonical as well."""
        return host == self.name or (self.with_subdomains and host.endswith(f".{self.name}"))

    def __str__(self) -> str:
        return f".{self.name}" if self.with_subdomains else self.name


def parse_host_pattern(value: Any) -> Any:
    """Read ``example.org``, that name alone, or ``.example.org``, it and every name below it.

    Raises:
        ValueError: it is no host name, or an address.
    """
    if not isinstance(value, str):
        return value
    try:
        name = canonical_host(value.removeprefix("."))
    except UrlInvalid:
        raise ValueError(f"{value!r} is neither a host name nor a suffix such as .example.org") from None
    if address_of(name) is not None:
        raise ValueError(f"{value!r} is an address; allow_networks and deny_networks are for those")
    return HostPattern(name, value.startswith("."))


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Judges host names as URLs name them; what they resolve to is for ``AddressPolicy``.

    Attributes:
        allow: where there are any, no other host is allowed, and none that is written as an address.
        deny: beat ``allow``.
    """

    allow: tuple[HostPattern, ...] = ()
    deny: tuple[HostPattern, ...] = ()

    def verdict(self, host: str) -> Verdict:
        """Judge the canonical host of a URL."""
        if found := next((pattern for pattern in self.deny if pattern.matches(host)), None):
            return Verdict(False, f"deny_hosts {found}")
        if not self.allow:
            return Verdict(True, "no allow_hosts")
        if found := next((pattern for pattern in self.allow if pattern.matches(host)), None):
            return Verdict(True, f"allow_hosts {found}")
        return Verdict(False, "not in allow_hosts")
