"""Cases of the HTTP suite: statuses and heads, and what is announced."""

from collections.abc import Mapping
from typing import Final

import pytest

from ....contracts import Source
from ....errors import FetchError, OriginDenied, OriginNotFound, OriginRejected, OriginUnavailable
from ...bodies import MIB
from ...judging import bounded_memory
from ...origin import Behaviour, Exchange, answer, head, raw, repeat, stall
from ..support import ATTEMPTS, FetchLimits, assert_announced, assert_error, assert_whole, fetch
from .support import BODY, DATA, HttpHarness, sized

WORDS: Final = "KitWords51c0"
"""Stands for what an origin says in words: a stranger's text."""

STATUSES: Final[Mapping[int, type[FetchError]]] = {
    400: OriginRejected,
    401: OriginDenied,
    403: OriginDenied,
    404: OriginNotFound,
    410: OriginNotFound,
    418: OriginRejected,
    429: OriginUnavailable,
    451: OriginDenied,
    500: OriginUnavailable,
    502: OriginUnavailable,
    503: OriginUnavailable,
    504: OriginUnavailable,
}

NO_IMAGES: Final = (204, 205, 206, 300, 304, 600, 999)
"""Statuses whose body, if any, is not the image that was asked for."""

RETRY_AFTER: Final[Mapping[str, tuple[float, float] | None]] = {
    "17": (17, 17),
    "0": (0, 0),
    "Fri, 31 Dec 1999 23:59:59 GMT": (0, 0),
    "soon": None,
    "-5": None,
    "1e9": None,
    "": None,
}
"""Values of the field, and between which seconds the error's ``retry_after`` is to be."""

BAD_HEADS: Final[Mapping[str, Behaviour]] = {
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "a page and no head": raw(b"<html>not found</html>\r\n\r\n"),
    "no status": raw(b"HTTP/1.1 OK\r\n\r\n" + DATA),
    "HTTP/2": raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18) + b"\r\n\r\n"),
    "a length that is none": raw(head(headers={"Content-Length": "many"}) + DATA),
    "a negative length": raw(head(headers={"Content-Length": "-1000"}) + DATA),
    "contradicting lengths": raw(head(headers={"Content-Length": "1000"})[:-2] + b"Content-Length: 10\r\n\r\n" + DATA),
    "an unknown transfer coding": raw(head(headers={"Transfer-Encoding": "x-unknown"}) + DATA),
}

LONG_HEADS: Final[Mapping[str, Behaviour]] = {
    "a field without end": repeat(b"HTTP/1.1 200 OK\r\nA: ", b"a" * 10_000),
    "fields without end": repeat(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "a status without end": repeat(b"HTTP/1.1 200 ", b"a" * 10_000),
    "interim responses without end": repeat(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 40),
    "empty lines without end": repeat(b"", b"\r\n" * 1000),
}

FILENAMES: Final = (
    'attachment; filename="../../etc/passwd"',
    'attachment; filename="/etc/passwd"',
    'attachment; filename="..\\\\..\\\\boot.ini"',
    'attachment; filename=".."',
    "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd",
    "attachment; filename*=UTF-8''a%00b.png",
    "attachment; filename*=UTF-8''a%0D%0AX-B%3A%20c.png",
    "attachment; filename*=UTF-8''%FF%FE",
    'attachment; filename=""',
    "attachment; filename",
    "attachment; filename*=x",
    ";;;=;",
    'attachment; filename="' + "a" * 5000 + '"',
)

MEDIA_TYPES: Final[Mapping[str, str | None]] = {
    "image/png": "image/png",
    "IMAGE/PNG": "image/png",
    "image/png; charset=binary": "image/png",
    "image/svg+xml;charset=utf-8": "image/svg+xml",
    "png": None,
    "image/png/../../x": None,
    "<script>": None,
    "": None,
}


class HeadCases(HttpHarness):
    @pytest.mark.parametrize("status", STATUSES)
    async def test_a_status_has_its_class(self, status: int) -> None:
        """Each error status raises its class of error, retryable only if the origin may recover."""
        error = STATUSES[status]
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(answer(DATA, status))))
            assert_error(done, error, f"the status {status}", retryable=error is OriginUnavailable)
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("status", NO_IMAGES)
    async def test_a_status_without_the_image(self, status: int) -> None:
        """A status whose body is not the whole image, such as 206 or 304, raises a ``FetchError``."""
        async with self.opened() as fetcher:
            behaviour = raw(head(status)) if status in {204, 304} else answer(DATA, status)
            assert_error(await fetch(fetcher, Source(self.route(behaviour))), FetchError, f"the status {status}")
            await self.assert_works(fetcher)

    async def test_when_to_come_again(self) -> None:
        """A valid ``Retry-After`` becomes the error's ``retry_after``; an invalid value is ignored."""
        async with self.opened() as fetcher:
            for value, bounds in RETRY_AFTER.items():
                done = await fetch(fetcher, Source(self.route(answer(b"", 503, {"Retry-After": value}))))
                seconds = assert_error(done, OriginUnavailable, f"Retry-After: {value}").retry_after
                if bounds is None:
                    assert seconds is None, f"Retry-After: {value} is understood as {seconds}"
                else:
                    assert seconds is not None, f"Retry-After: {value} is not passed on"
                    assert bounds[0] <= seconds <= bounds[1], f"Retry-After: {value} is understood as {seconds}"
            far = await fetch(fetcher, Source(self.route(answer(b"", 503, {"Retry-After": "9" * 30}))))
            seconds = assert_error(far, OriginUnavailable, "Retry-After in ages").retry_after
            assert seconds is None or 0 <= seconds < 10**9, f"Retry-After in ages is understood as {seconds}"

    async def test_interim_responses_are_passed_over(self) -> None:
        """The fetcher skips interim responses (1xx) and reads the final response."""
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(raw(interim, 0.05, sized(1000, DATA)))))
            assert_whole(done, BODY, "an answer after interim ones")

    # --- heads --------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", BAD_HEADS)
    async def test_a_head_that_is_none(self, name: str) -> None:
        """A malformed head, or another protocol, raises a ``FetchError``."""
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(BAD_HEADS[name])))
            assert_error(done, FetchError, name)
            await self.assert_works(fetcher)

    @pytest.mark.parametrize("name", LONG_HEADS)
    async def test_a_head_without_end(self, name: str) -> None:
        """An endless head raises a ``FetchError`` by its size, long before the time limit."""
        async with self.opened() as fetcher:
            # It is to be its size that ends it, long before the time does.
            with bounded_memory(name, 8 * MIB):
                done = await fetch(fetcher, Source(self.route(LONG_HEADS[name])), 1.0)
            assert_error(done, FetchError, name, retryable=False)
            await self.assert_works(fetcher)

    async def test_a_head_that_takes_for_ever(self) -> None:
        """A head that arrives slowly or never ends with a retryable ``FetchError`` at the time limit."""
        slow = {
            "a head byte by byte": repeat(b"HTTP/1.1 200 OK\r\nA: ", b"a", 0.05),
            "half a head and no more": stall(b"HTTP/1.1 200 OK\r\nA: "),
            "an interim response and no more": stall(b"HTTP/1.1 100 Continue\r\n\r\n"),
        }
        for name, behaviour in slow.items():
            async with self.opened(FetchLimits(seconds=0.5)) as fetcher:
                done = await fetch(fetcher, Source(self.route(behaviour)), 0.5)
                assert_error(done, FetchError, name, retryable=True)
                await self.assert_works(fetcher, attempts=ATTEMPTS)

    # --- what is announced, and said ----------------------------------------------------------------------------------

    async def test_media_types(self) -> None:
        """``content_type`` is the media type in lower case, without parameters; None if it is invalid."""
        async with self.opened() as fetcher:
            for value, expected in MEDIA_TYPES.items():
                done = await fetch(fetcher, Source(self.route(answer(DATA, headers={"Content-Type": value}))))
                assert_whole(done, BODY, f"Content-Type: {value}")
                assert done.fetched is not None
                assert_announced(done.fetched, f"Content-Type: {value}")
                announced = done.fetched.content_type
                assert announced in {expected, None}, f"Content-Type: {value} is announced as {announced}"
                assert value != "image/png" or announced, "the media type is not announced"

    async def test_filenames_are_no_paths(self) -> None:
        """A hostile ``Content-Disposition`` or path never makes a file name with folders or control characters."""
        async with self.opened() as fetcher:
            for value in FILENAMES:
                done = await fetch(fetcher, Source(self.route(answer(DATA, headers={"Content-Disposition": value}))))
                assert_whole(done, BODY, f"Content-Disposition: {value}")
                assert done.fetched is not None
                assert_announced(done.fetched, f"Content-Disposition: {value[:60]}")
            for name in ("..%2F..%2Fetc%2Fpasswd", "%2e%2e", "a%00b", "a%0Ab", "%FF", "a%5Cb", "."):
                done = await fetch(fetcher, Source(self.route(answer(DATA), name)))
                if done.error is None:
                    assert done.fetched is not None
                    assert_announced(done.fetched, f"the path ends with {name}")

    async def test_validators_are_passed_on_as_sent(self) -> None:
        """``etag`` and ``last_modified`` are exactly what the origin sent, or None."""
        fields = {"ETag": 'W/"a-1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        async with self.opened() as fetcher:
            done = await fetch(fetcher, Source(self.route(answer(DATA, headers=fields))))
            assert done.fetched is not None
            etag, modified = done.fetched.etag, done.fetched.last_modified
            assert etag in {fields["ETag"], None}, f"the etag is {etag!r}"
            assert modified in {fields["Last-Modified"], None}, f"last_modified is {modified!r}"

    async def test_an_origins_words_are_not_shown(self) -> None:
        """The public text of an error contains no text of the origin."""

        async def spoken(exchange: Exchange) -> bool:
            fields = f"X-A: {WORDS}\r\nContent-Length: {len(WORDS)}"
            await exchange.send(f"HTTP/1.1 {exchange.request.target[-3:]} {WORDS}\r\n{fields}\r\n\r\n{WORDS}".encode())
            return True

        async with self.opened() as fetcher:
            for name in ("403", "404", "418", "503", "600", "abc"):
                done = await fetch(fetcher, Source(self.route(spoken, name)))
                error = assert_error(done, FetchError, f"the status {name}")
                assert WORDS not in error.detail, f"the client is shown what an origin says: {error.detail}"
