"""Cases of the fetcher suite: what errors, logs, traces and representations may say of a url and its headers."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import pytest

from ...contracts import Fetcher, Source
from ...errors import PluginError
from ...host.record import tracing
from ..bodies import Body
from ..judging import assert_well_formed, everything_logged, recorded
from .refusing import SECONDS, refusal
from .support import Fetch, FetcherHarness, FetchLimits, Flaw, fetch

MARKER: Final = "KitMarker7f3a"
"""Stands for what is secret in a url or a header."""
_USERINFO: Final = re.compile(r"([a-z][a-z0-9+.-]*://)(?:([^/?#@:]*)(?::[^/?#@]*)?@)?(?=[^/?#])", re.IGNORECASE)


class SecretCases(FetcherHarness):
    async def test_refusals_tell_no_secrets(self) -> None:
        """Neither a refusal nor the fetcher's ``repr`` contains a password, query or header value of the source."""
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher:
            urls = [
                f"{scheme}:{before}{MARKER}{after}"
                for scheme in sorted(fetcher.schemes)
                for before, after in (("//user:", "@host.invalid/a"), ("//host.invalid/a b?token=", ""), ("//[?", ""))
            ]
            headers = {"Authorization": f"Bearer {MARKER}", "X-A": f"{MARKER}\r\n", "Cookie": f"a={MARKER}\0"}
            sources = [*map(Source, urls), *(replace(source, headers={name: headers[name]}) for name in headers)]
            for strange in sources:
                error = refusal(fetcher, strange)
                if error is not None:
                    _assert_discreet_error(error, "a refusal")
            _assert_no_secret(repr(fetcher), "the repr of the fetcher")

    async def test_a_password_that_check_refuses_is_refused_by_open(self) -> None:
        """``open`` refuses a url with a user name and a password where ``check`` does, and neither tells of them."""
        source = _with_password(await self.serve(Body(1000)))
        if source is None:
            return
        async with self.opened() as fetcher:
            error = refusal(fetcher, source)
            done = await fetch(fetcher, source)
            if error is not None:
                assert type(done.error) is type(error), (
                    f"check refuses a url with a password by {type(error).__name__}, and open {_outcome(done)}"
                )
                _assert_discreet_error(error, "a refusal")
            _assert_discreet(done)

    @pytest.mark.parametrize("flaw", [None, *Flaw])
    async def test_a_fetch_tells_no_secrets(self, flaw: Flaw | None) -> None:
        """Neither errors, results, log lines nor the trace of a fetch contain a password, a query or a header value."""
        body = Body(1000)
        source = await (self.serve(body) if flaw is None else self.serve_with(flaw, body))
        # The query of a url is where secrets are; where urls have none, it is another way to be wrong.
        told = replace(source, url=f"{source.url}{'&' if '?' in source.url else '?'}token={quote(MARKER)}")
        with_header = replace(source, headers={"Authorization": f"Bearer {MARKER}"})
        with_password = _with_password(source)
        async with self.opened(FetchLimits(max_bytes=10_000, seconds=SECONDS)) as fetcher:
            for secretive in (told, with_header, *([with_password] if with_password else [])):
                await self._assert_nothing_told(fetcher, secretive)

    async def _assert_nothing_told(self, fetcher: Fetcher, source: Source) -> None:
        with recorded() as records, tracing(explain=True) as trace:
            done = await fetch(fetcher, source, SECONDS)
        _assert_discreet(done)
        for line, place in records:
            _assert_no_secret(line, "a line of the log", place)
        _assert_no_secret(repr(trace), "the trace", "; pass urls to it without user name, password and query")


def _with_password(source: Source) -> Source | None:
    """The source with a password in its url; None where urls have no place for one."""
    found = _USERINFO.match(source.url)
    if found is None:
        return None
    return replace(source, url=f"{found[1]}{found[2] or 'user'}:{MARKER}@{source.url[found.end() :]}")


def _outcome(done: Fetch) -> str:
    return "fetches it" if done.error is None else f"raises {type(done.error).__name__}"


def _assert_discreet(done: Fetch) -> None:
    if done.fetched is not None:
        _assert_no_secret(repr(done.fetched), "the repr of what open gave")
    if done.error is not None:
        assert isinstance(done.error, PluginError), f"{done.error!r}"
        _assert_discreet_error(done.error, "an error")
        assert_well_formed(done.error, "an error")


def _assert_discreet_error(error: PluginError, what: str) -> None:
    _assert_no_secret(error.detail, f"the sentence for the client of {what}")
    parts: Iterable[tuple[str, str]] = everything_logged(error)
    for text, place in parts:
        _assert_no_secret(text, what, f", by {place}")


def _assert_no_secret(text: str, what: str, place: str = "") -> None:
    assert MARKER not in text, f"{what} tells what is secret{place}: {text[:500]}"
