"""Cases of the fetcher suite: addresses that strangers must not reach through the service."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Final

import pytest

from ...contracts import Fetcher, Source
from ...errors import FetchError, SourceRefused
from ..bodies import Body
from ..suite import UNSUPPORTED
from .support import Fetch, FetcherHarness, FetchLimits, Flaw, assert_error, assert_whole, fetch
from .trap import ABROAD, ALLOWED, HOST, LITERALS, Trap, staged, trap

_AUTHORITY: Final = re.compile(
    r"([a-z][a-z0-9+.-]*://)((?:[^/?#@]*@)?)(\[[^\]/?#]*\]|[^:/?#]*)((?::[0-9]*)?)(.*)", re.IGNORECASE | re.DOTALL
)
_SECONDS: Final = 5.0
"""The time limit of fetches that may wait for an address which never answers."""

NAMES: Final = {
    "forbidden": ((HOST,),),
    "forbidden-ipv6": (("::1",),),
    "mapped": ((f"::ffff:{HOST}",),),
    "mixed": ((HOST, ALLOWED),),
    "mixed-last": ((ALLOWED, HOST),),
    "falls-back": ((ALLOWED, HOST),),
    "rebound": ((ALLOWED,), (HOST,)),
}
"""Names that lead to forbidden addresses, each with the answers of the look-ups in turn."""


class ReachingCases(FetcherHarness):
    @pytest.mark.parametrize("host", LITERALS)
    async def test_a_forbidden_address(self, host: str) -> None:
        """A url with a forbidden address in any spelling is refused, by ``check`` already; nobody connects there."""
        body = Body(min(1000, self.largest_body))
        source = await self.serve(body)
        async with self.opened(FetchLimits(seconds=_SECONDS)) as fetcher:
            with self._trapped(source) as caught:
                await self._assert_refused(fetcher, self._at(source, host, caught), caught, f"the address {host}")
            await self.assert_works(fetcher)

    async def test_addresses_that_are_not_public(self) -> None:
        """Private, link-local and other special addresses are never connected to."""
        source = await self.serve(Body(min(1000, self.largest_body)))
        async with self.opened(FetchLimits(seconds=_SECONDS)) as fetcher:
            with self._trapped(source) as caught:
                await fetch(fetcher, source)
                if not caught.sees:
                    pytest.skip(f"{UNSUPPORTED}addresses beyond loopback: its connections are made in another process")
                for host in ABROAD:
                    await self._assert_refused(fetcher, self._at(source, host, caught), caught, f"the address {host}")

    @pytest.mark.parametrize("kind", NAMES)
    async def test_a_name_that_leads_to_a_forbidden_address(self, kind: str) -> None:
        """A name of a forbidden address, also beside allowed ones or at a second look-up, leads nowhere."""
        body = Body(min(1000, self.largest_body))
        source = await self.serve(body)
        name = f"{kind}.lading-kit.test"
        async with self.opened(FetchLimits(seconds=_SECONDS)) as fetcher:
            # Where nothing listens at the allowed address, a fetcher may go on to the next.
            of_its_own = trap(None) if kind == "falls-back" else self._trapped(source)
            with of_its_own as caught, staged({name: NAMES[kind]}):
                done = await fetch(fetcher, self._at(source, name, caught), _SECONDS)
                what = f"the host {name}, which resolves to {' and then '.join(map(', '.join, NAMES[kind]))}"
                _assert_not_reached(caught, what)
                if done.error is None:
                    assert kind not in ("forbidden", "forbidden-ipv6", "mapped"), f"{what}: something is fetched"
                    assert_whole(done, body, what)
                else:
                    _assert_told_well(done, what)

    async def test_an_origin_that_leads_elsewhere(self) -> None:
        """An origin that sends the fetcher on to a forbidden address sees nobody go there."""
        self.require(Flaw.LEADS_ELSEWHERE)
        with trap(None) as caught:
            self.forbidden = (HOST, caught.port)
            source = await self.serve_with(Flaw.LEADS_ELSEWHERE, Body(min(1000, self.largest_body)))
            async with self.opened(FetchLimits(seconds=_SECONDS)) as fetcher:
                done = await fetch(fetcher, source, _SECONDS)
                _assert_not_reached(caught, Flaw.LEADS_ELSEWHERE)
                if done.error is not None:
                    _assert_told_well(done, Flaw.LEADS_ELSEWHERE)
                await self.assert_works(fetcher)

    def source_at(self, source: Source, host: str, port: int | None) -> Source | None:
        """The source at another host, or None where urls name no host. Override it where they name it otherwise.

        Args:
            source: a source of ``serve``.
            host: a name, or an address as a url has it.
            port: where the kit listens; None to leave the port of the url as it is.
        """
        found = _AUTHORITY.fullmatch(source.url)
        if found is None:
            return None
        scheme, user, _, colon_port, rest = found.groups()
        return replace(source, url=f"{scheme}{user}{host}{colon_port if port is None else f':{port}'}{rest}")

    # --- helpers ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _trapped(self, source: Source) -> Iterator[Trap]:
        """A trap on the port of the source, where that is free at its address."""
        found = _AUTHORITY.fullmatch(source.url)
        with trap(int(found[4][1:]) if found and found[4][1:] else None) as caught:
            yield caught

    def _at(self, source: Source, host: str, caught: Trap) -> Source:
        found = _AUTHORITY.fullmatch(source.url)
        same = found is not None and found[4] in ("", f":{caught.port}")
        elsewhere = self.source_at(source, host, None if same else caught.port)
        if elsewhere is None:
            pytest.skip(f"{UNSUPPORTED}other hosts: its urls name no host")
        return elsewhere

    async def _assert_refused(self, fetcher: Fetcher, source: Source, caught: Trap, what: str) -> None:
        refusal: Exception | None = None
        try:
            fetcher.check(source)
        except SourceRefused as error:
            refusal = error
        done = await fetch(fetcher, source, _SECONDS)
        _assert_not_reached(caught, what)
        assert done.error is not None, f"{what}: something is fetched from there"
        _assert_told_well(done, what, is_told=True)
        if isinstance(done.error, SourceRefused):
            assert refusal is not None, f"{what}: open refuses it with {done.error!r}, and check lets it pass"


def _assert_not_reached(caught: Trap, what: str) -> None:
    reached = caught.reached()
    assert not reached, (
        f"{what}: {reached}. Strangers reach the operator's network through it; connect by means of "
        "lading.plugins.net.NetworkGuard"
    )


def _assert_told_well(done: Fetch, what: str, *, is_told: bool = False) -> None:
    """The refusal is for good, and tells nobody where a name leads."""
    error = assert_error(done, FetchError, what)
    if isinstance(error, SourceRefused) or is_told:
        assert not error.retryable, f"{what}: it will lead there at another attempt too, and that is promised: {error}"
    if not is_told:
        public = error.detail
        found = [word for word in re.findall(r"[0-9A-Fa-f:.]{3,}", public) if _is_forbidden(word)]
        assert not found, f"{what}: the client is told where the name leads: {public}"


def _is_forbidden(word: str) -> bool:
    try:
        address = ip_address(word.strip("."))
    except ValueError:
        return False
    return not (isinstance(address, IPv4Address) and str(address) == ALLOWED)
