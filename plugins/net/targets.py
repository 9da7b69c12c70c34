"""Which URLs may be asked for, as far as they tell by themselves: their port, their host, an address in its place."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from ..errors import AddressNotAllowed, HostNotAllowed, SourceRefused, UrlPortNotAllowed
from .addresses import AddressPolicy, Network, Verdict
from .hosts import HostPattern, HostPolicy
from .urls import HttpUrl, address_of

REMEMBERED: Final = 1024
"""Hosts, with their ports, whose verdicts are kept: the options that decide do not change, and hosts come again."""


class TargetOptions(Protocol):
    """The operator's rules; the options of the http fetcher are some."""

    @property
    def allow_networks(self) -> tuple[Network, ...]:
        """Networks that may be connected to although they are not public."""
        ...

    @property
    def deny_networks(self) -> tuple[Network, ...]:
        """Networks that are never connected to."""
        ...

    @property
    def allow_hosts(self) -> tuple[HostPattern, ...]:
        """The only hosts that may be asked; empty for no such bound."""
        ...

    @property
    def deny_hosts(self) -> tuple[HostPattern, ...]:
        """Hosts that are never asked."""
        ...

    def port_verdict(self, port: int) -> Verdict:
        """Whether a port may be connected to."""
        ...


class Judged(NamedTuple):
    """One part of a URL with the verdict on it, and the error where that is a refusal."""

    subject: str
    verdict: Verdict
    refusal: SourceRefused | None


class TargetPolicy:
    """Judges every URL of a fetch, those of redirects included, by the operator's options.

    Attributes:
        addresses: judges addresses, those that names resolve to as well.
    """

    def __init__(self, options: TargetOptions) -> None:
        self.addresses = AddressPolicy(options.allow_networks, options.deny_networks)
        self._hosts = HostPolicy(options.allow_hosts, options.deny_hosts)
        self._options = options
        self._passes = lru_cache(REMEMBERED)(self._judge_in_short)

    def judge(self, url: HttpUrl) -> Iterator[Judged]:
        """Judge part by part, in the order in which a refusal is told."""
        port = self._options.port_verdict(url.port)
        yield Judged(f"port {url.port}", port, None if port.allowed else UrlPortNotAllowed(url.loggable, port=url.port))
        host = self._hosts.verdict(url.host)
        yield Judged(f"host {url.host}", host, None if host.allowed else HostNotAllowed(f"{url.loggable}: {host.rule}"))
        if url.address is not None:
            yield self.judge_address(url, str(url.address))

    def judge_address(self, url: HttpUrl, address: str) -> Judged:
        """Judge an address that the URL names or that its host resolves to."""
        verdict = self.addresses.verdict(address)
        internal = f"{url.loggable}: {address}: {verdict.rule}"
        return Judged(f"address {address}", verdict, None if verdict.allowed else AddressNotAllowed(internal))

    def check(self, url: HttpUrl) -> None:
        """Let the URL pass, or not.

        Raises:
            SourceRefused: the first refusal.
        """
        if self._passes(url.host, url.port):
            return  # most do, and need no text of why
        for judged in self.judge(url):
            if judged.refusal is not None:
                raise judged.refusal

    def _judge_in_short(self, host: str, port: int) -> bool:
        if not self._options.port_verdict(port).allowed or not self._hosts.verdict(host).allowed:
            return False
        return address_of(host) is None or self.addresses.verdict(host).allowed
