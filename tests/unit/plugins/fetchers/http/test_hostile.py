"""Origins that answer wrongly, slowly or without end."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    ContentEncodingCorrupt,
    DnsFailed,
    FetchError,
    FetchTimeout,
    HostNotFound,
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginRejected,
    OriginUnavailable,
)
from lading.plugins.fetchers.http.wire.codings import ContentEncodingNotDecoded
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer, head, raw, repeat, reset, stall
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher

GZIP_BOMB = gzip.compress(bytes(4 << 20), 9)
CHUNKED = head(headers={"Transfer-Encoding": "chunked"})


def sized(length: int, body: bytes = b"") -> bytes:
    return head(headers={"Content-Length": str(length)}) + body


def with_fields(*lines: bytes, body: bytes = b"abc") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


CASES: Mapping[str, tuple[Behaviour, type[FetchError]]] = {
    # statuses
    "not found": (answer(b"x", 404), OriginNotFound),
    "gone": (answer(b"x", 410), OriginNotFound),
    "unauthorised": (answer(b"x", 401), OriginDenied),
    "forbidden": (answer(b"x", 403), OriginDenied),
    "too many requests": (answer(b"x", 429), OriginUnavailable),
    "broken origin": (answer(b"x", 500), OriginUnavailable),
    "no content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), OriginRejected),
    "reset content": (answer(b"", 205), OriginRejected),
    "partial content": (answer(b"x", 206), OriginProtocolError),
    **{
        f"partial content, {name}": (
            raw(with_fields(*fields, body=body).replace(b"200", b"206", 1)),
            BodyTruncated if name == "cut" else OriginProtocolError,
        )
        for name, fields, body in (
            ("a part", (b"Content-Range: bytes 0-2/4", b"Content-Length: 3"), b"abc"),
            ("the end", (b"Content-Range: bytes 1-3/4", b"Content-Length: 3"), b"abc"),
            ("of unknown length", (b"Content-Range: bytes 0-2/*", b"Content-Length: 3"), b"abc"),
            ("of another length", (b"Content-Range: bytes 0-2/3", b"Content-Length: 4"), b"abcd"),
            ("longer", (b"Content-Range: bytes 0-2/3",), b"abcd"),
            ("cut", (b"Content-Range: bytes 0-2/3",), b"ab"),
            ("in other units", (b"Content-Range: pages 0-2/3", b"Content-Length: 3"), b"abc"),
            ("said twice", (b"Content-Range: bytes 0-2/3",) * 2, b"abc"),
            ("several parts", (b"Content-Type: multipart/byteranges; boundary=a", b"Content-Length: 3"), b"abc"),
        )
    },
    "not modified": (raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), OriginProtocolError),
    "teapot": (answer(b"x", 418), OriginRejected),
    "multiple choices": (answer(b"x", 300), OriginRejected),
    "switching protocols": (
        raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        OriginProtocolError,
    ),
    "redirect to nowhere": (answer(b"", 302), OriginProtocolError),
    # heads
    "not http": (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), OriginProtocolError),
    "http 0.9": (raw(b"<html>not found</html>\r\n\r\n"), OriginProtocolError),
    "http 2": (raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18) + b"\r\n\r\n"), OriginProtocolError),
    "no status": (raw(b"HTTP/1.1 OK\r\n\r\n"), OriginProtocolError),
    "zero byte": (raw(with_fields(b"A: b\x00c")), OriginProtocolError),
    "long head in fields": (raw(with_fields(*[b"A: " + b"a" * 1000] * 40)), OriginProtocolError),
    "long head in one field": (raw(with_fields(b"A: " + b"a" * 40_000)), OriginProtocolError),
    "many fields": (raw(with_fields(*[b"A: b"] * 4000)), OriginProtocolError),
    "long status line": (raw(b"HTTP/1.1 200 " + b"a" * 40_000 + b"\r\n\r\n"), OriginProtocolError),
    "endless fields": (repeat(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100), OriginProtocolError),
    "endless field": (repeat(b"HTTP/1.1 200 OK\r\nA: ", b"a" * 1000), OriginProtocolError),
    "endless interim responses": (repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40), OriginProtocolError),
    "endless empty lines": (repeat(b"", b"\r\n" * 1000), OriginProtocolError),
    # framing
    "repeated length": (raw(with_fields(b"Content-Length: 3", b"Content-Length: 3")), OriginProtocolError),
    "contradicting lengths": (raw(with_fields(b"Content-Length: 3", b"Content-Length: 4")), OriginProtocolError),
    "list of lengths": (raw(with_fields(b"Content-Length: 3, 3")), OriginProtocolError),
    "signed length": (raw(with_fields(b"Content-Length: +3")), OriginProtocolError),
    "negative length": (raw(with_fields(b"Content-Length: -3")), OriginProtocolError),
    "length and chunks": (
        raw(with_fields(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "chunks and length": (
        raw(with_fields(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "other transfer coding": (raw(with_fields(b"Transfer-Encoding: gzip")), OriginProtocolError),
    "doubled transfer coding": (
        raw(with_fields(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
        OriginProtocolError,
    ),
    "coding behind a control character": (
        raw(with_fields(b"Transfer-Encoding: \x0bchunked", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "empty coding before chunked": (
        raw(with_fields(b"Transfer-Encoding:", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "space behind the name of the length": (raw(with_fields(b"Content-Length : 3")), OriginProtocolError),
    "space behind the name of the coding": (
        raw(with_fields(b"Transfer-Encoding : chunked", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "hexadecimal length": (raw(with_fields(b"Content-Length: 0x3")), OriginProtocolError),
    "length with an underscore": (raw(with_fields(b"Content-Length: 0_3")), OriginProtocolError),
    "length in other digits": (raw(with_fields("Content-Length: \uff13".encode())), OriginProtocolError),
    "enormous length": (raw(with_fields(b"Content-Length: " + b"9" * 40)), OriginProtocolError),
    "folded length": (raw(with_fields(b"Content-Length: 3\r\n 4")), OriginProtocolError),
    "bare carriage return": (raw(with_fields(b"A: b\rContent-Length: 9", b"Content-Length: 3")), OriginProtocolError),
    "interim response with a body": (
        raw(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nabc" + sized(3, b"abc")),
        OriginProtocolError,
    ),
    "interim response as the last": (
        raw(b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc"),
        OriginProtocolError,
    ),
    "status of four digits": (raw(b"HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc"), OriginProtocolError),
    # bodies
    "empty": (answer(b""), BodyEmpty),
    "empty chunked": (raw(CHUNKED + b"0\r\n\r\n"), BodyEmpty),
    "empty until close": (raw(head()), BodyEmpty),
    "short": (raw(sized(10, b"abc")), BodyTruncated),
    "short with a pause": (raw(sized(10, b"abc"), 0.02), BodyTruncated),
    "nothing of it": (raw(sized(10)), BodyTruncated),
    "chunk cut": (raw(CHUNKED + b"5\r\nab"), BodyTruncated),
    "last chunk missing": (raw(CHUNKED + b"3\r\nabc\r\n"), BodyTruncated),
    "bad chunk size at once": (raw(CHUNKED + b"zz\r\n", 30.0), OriginProtocolError),
    "bad chunk size later": (raw(CHUNKED + b"3\r\nabc\r\n", 0.05, b"zz\r\n", 30.0), OriginProtocolError),
    "chunk too long": (raw(CHUNKED + b"3\r\nabcdef\r\n", 30.0), OriginProtocolError),
    "enormous chunk size": (raw(CHUNKED + b"f" * 32 + b"\r\n", 30.0), OriginProtocolError),
    "negative chunk size": (raw(CHUNKED + b"-3\r\nabc\r\n", 30.0), OriginProtocolError),
    "signed chunk size": (raw(CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 30.0), OriginProtocolError),
    "hexadecimal prefix of a chunk size": (raw(CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 30.0), OriginProtocolError),
    "chunks with bare line feeds": (raw(CHUNKED + b"3\nabc\n0\n\n", 30.0), OriginProtocolError),
    "endless trailers": (repeat(CHUNKED + b"3\r\nabc\r\n0\r\n", b"A: b\r\n" * 1000), OriginProtocolError),
    "endless trailer": (repeat(CHUNKED + b"3\r\nabc\r\n0\r\nA: ", b"a" * 1000), OriginProtocolError),
    "no chunk size": (raw(CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 30.0), OriginProtocolError),
    "no end of a chunk": (raw(CHUNKED + b"3\r\nabc0\r\n\r\n", 30.0), OriginProtocolError),
    "chunk size behind a space": (raw(CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", 30.0), OriginProtocolError),
    "broken trailer": (raw(CHUNKED + b"3\r\nabc\r\n0\r\n: \r\r\n", 30.0), OriginProtocolError),
    "endless chunk extensions": (repeat(CHUNKED, b"1;" + b"a" * 1000 + b"\r\nX\r\n"), OriginProtocolError),
    "endless chunk extension": (repeat(CHUNKED + b"5;", b"a" * 1000), OriginProtocolError),
    "endless quoted chunk extension": (repeat(CHUNKED + b'5;a="', b"a" * 1000), OriginProtocolError),
    "endless chunk size": (repeat(CHUNKED, b"0" * 1000), OriginProtocolError),
    "endless spaces behind a chunk size": (repeat(CHUNKED + b"5", b" " * 1000), OriginProtocolError),
    "reset within a length": (reset(sized(10, b"abc")), BodyTruncated),
    "reset within chunks": (reset(CHUNKED + b"3\r\nabc\r\n"), BodyTruncated),
    "reset before close": (reset(head() + b"abc"), BodyTruncated),
    "announced too large": (raw(sized(2001, b"abc"), 30.0), BodyTooLarge),
    "announced enormous": (raw(sized(10**17, b"abc"), 30.0), BodyTooLarge),
    "too large": (raw(head() + b"x" * 2001), BodyTooLarge),
    "endless": (repeat(head(), b"x" * 1000), BodyTooLarge),
    "endless chunks": (repeat(CHUNKED, b"64\r\n" + b"x" * 100 + b"\r\n"), BodyTooLarge),
    "gzip as a transfer coding": (
        raw(with_fields(b"Transfer-Encoding: gzip, chunked", body=b"3\r\nabc\r\n0\r\n\r\n")),
        OriginProtocolError,
    ),
    "gzip bomb": (answer(GZIP_BOMB, headers={"Content-Encoding": "gzip"}), BodyTooLarge),
    "gzip that is none": (answer(b"abc", headers={"Content-Encoding": "gzip"}), ContentEncodingCorrupt),
    "coding that is not decoded": (answer(b"abc", headers={"Content-Encoding": "br"}), ContentEncodingNotDecoded),
    # connections
    "closes at once": (raw(), ConnectionLost),
    "closes within the head": (raw(b"HTTP/1.1 200 OK\r\nA: "), ConnectionLost),
    "resets at once": (reset(), ConnectionLost),
    "resets within the head": (reset(b"HTTP/1.1 200 OK\r\nA: "), ConnectionLost),
    # time
    "stalls": (stall(), FetchTimeout),
    "stalls within the head": (stall(b"HTTP/1.1 200 OK\r\nA: "), FetchTimeout),
    "stalls after an interim response": (stall(b"HTTP/1.1 100 Continue\r\n\r\n"), FetchTimeout),
    "drips its head": (repeat(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 0.02), FetchTimeout),
    "drips interim responses": (repeat(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.02), FetchTimeout),
    "stalls within the body": (stall(sized(10, b"abc")), FetchTimeout),
    "stalls within a chunk's size": (stall(CHUNKED + b"3"), FetchTimeout),
    "stalls before the last chunk": (stall(CHUNKED + b"3\r\nabc\r\n"), FetchTimeout),
    "stalls within the trailers": (stall(CHUNKED + b"3\r\nabc\r\n0\r\nA: b\r\n"), FetchTimeout),
    "drips its trailers": (repeat(CHUNKED + b"3\r\nabc\r\n0\r\n", b"A: b\r\n", 0.02), FetchTimeout),
    "drips a chunk extension": (repeat(CHUNKED + b"5;", b"a", 0.02), FetchTimeout),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("behaviour", "error"), CASES.values(), ids=CASES)
@pytest.mark.gen_test
async def test_hostile_answers_end_with_their_own_error(behaviour: Behaviour, error: type[FetchError]) -> None:
    patience = 0.3 if error is FetchTimeout else 10
    async with (
        Origin({"/a": behaviour}) as origin,
        http_fetcher(max_bytes=2000, head_timeout=patience, read_timeout=patience) as fetcher,
    ):
        url = origin.url(f"/a?token={SECRET}")
        with pytest.raises(FetchError) as caught:
            await fetch(fetcher, url, {"X-Key": SECRET})
        assert type(caught.value) is error
        assert caught.value.detail
        assert SECRET not in everything_logged(caught.value)
        # Nothing that went wrong is used again, and the fetcher works as before.
        origin.routes["/b"] = answer(b"image")
        assert await fetch(fetcher, origin.url("/b")) == b"image"


@pytest.mark.parametrize(
    ("behaviour", "options", "phase", "seconds"),
    [
        (stall(), {"head_timeout": 0.2}, "the response head", "0.2"),
        (stall(head() + b"a"), {"read_timeout": 0.2}, "the wait for the next bytes of the body", "0.2"),
        (repeat(head(), b"a", 0.01), {"total_timeout": 0.2}, "the whole fetch", "0.2"),
        (stall(), {"total_timeout": 0.2}, "the whole fetch", "0.2"),
        (
            repeat(head(), b"a", 0.01),
            {"min_rate": 1_000_000, "min_rate_window": 0.2},
            "a stretch of 200000 bytes of the body",
            "0.2",
        ),
    ],
)
@pytest.mark.gen_test
async def test_slow_origins_are_told_what_was_slow(
    behaviour: Behaviour, options: Mapping[str, Any], phase: str, seconds: str
) -> None:
    async with Origin({"/a": behaviour}) as origin, http_fetcher(**options) as fetcher:
        with pytest.raises(FetchTimeout) as caught:
            await fetch(fetcher, origin.url("/a"))
        assert caught.value.facts == {"phase": phase, "seconds": seconds}


@pytest.mark.gen_test
async def test_the_total_covers_every_hop() -> None:
    async def slow_redirect(exchange: Exchange) -> bool:
        await asyncio.sleep(0.1)
        return await answer(b"", 302, {"Location": "/a"})(exchange)

    async with Origin({"/a": slow_redirect}) as origin, http_fetcher(total_timeout=0.25, max_redirects=20) as fetcher:
        with pytest.raises(FetchTimeout) as caught:
            await fetch(fetcher, origin.url("/a"))
        assert caught.value.facts["phase"] == "the whole fetch"
        assert len(origin.requests) < 4


@pytest.mark.gen_test
async def test_broken_framing_behind_a_full_buffer_is_noticed_too() -> None:
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    # 128 KiB are buffered; the fault comes together with the chunk that is one too many.
    behaviour = raw(CHUNKED + chunk * 31, 0.1, chunk * 2 + b"zz\r\n", 30.0)
    async with Origin({"/a": behaviour}) as origin, http_fetcher() as fetcher:
        async with fetcher.open(Source(origin.url("/a"))) as fetched:
            await asyncio.sleep(0.3)
            with pytest.raises(OriginProtocolError):
                await drain(fetched.chunks)


async def drain(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


@pytest.mark.gen_test
async def test_a_whole_but_doubtful_answer_ends_its_connection() -> None:
    twice = with_fields(*[b"Transfer-Encoding: chunked"] * 2, body=b"3\r\nabc\r\n0\r\n\r\n")
    async with Origin({"/a": raw(twice, keep=True), "/b": answer(b"image")}) as origin, http_fetcher() as fetcher:
        with pytest.raises(OriginProtocolError):
            await fetch(fetcher, origin.url("/a"))
        assert await fetch(fetcher, origin.url("/b")) == b"image"
        assert origin.connections == 2


@pytest.mark.gen_test
async def test_an_announced_length_over_the_limit_is_refused_before_the_body() -> None:
    async with Origin({"/a": stall(sized(2001))}) as origin, http_fetcher(max_bytes=2000) as fetcher:
        with pytest.raises(BodyTooLarge) as caught:
            async with fetcher.open(Source(origin.url("/a"))):
                pytest.fail("the source was opened")
        assert caught.value.facts["limit"] == 2000


@pytest.mark.gen_test
async def test_a_body_of_exactly_the_limit_passes() -> None:
    async with Origin({"/a": answer(b"x" * 2000)}) as origin, http_fetcher(max_bytes=2000) as fetcher:
        assert len(await fetch(fetcher, origin.url("/a"))) == 2000


@pytest.mark.gen_test
async def test_retry_after_is_passed_on() -> None:
    async with Origin({"/a": answer(b"", 503, {"Retry-After": "17"})}) as origin, http_fetcher() as fetcher:
        with pytest.raises(OriginUnavailable) as caught:
            await fetch(fetcher, origin.url("/a"))
        assert caught.value.retry_after == 17


@pytest.mark.gen_test
async def test_bytes_beyond_the_announced_length_are_not_taken_for_an_answer() -> None:
    extra = sized(3, b"abc") + sized(5, b"stale")
    async with Origin({"/a": raw(extra, keep=True), "/b": answer(b"fresh")}) as origin, http_fetcher() as fetcher:
        assert await fetch(fetcher, origin.url("/a")) == b"abc"
        assert await fetch(fetcher, origin.url("/b")) == b"fresh"
    assert origin.connections == 2


@pytest.mark.gen_test
async def test_a_connection_that_the_origin_closed_meanwhile_is_replaced() -> None:
    closing = raw(sized(5, b"image"))  # and then closed, though nothing said so
    async with Origin({"/a": closing}) as origin, http_fetcher() as fetcher:
        for _ in range(5):
            assert await fetch(fetcher, origin.url("/a")) == b"image"


@pytest.mark.gen_test
async def test_a_closed_port_refuses_the_connection() -> None:
    async with Origin() as origin:
        url = origin.url(f"/a?token={SECRET}")
    async with http_fetcher() as fetcher:
        with pytest.raises(ConnectFailed) as caught:
            await fetch(fetcher, url)
    assert SECRET not in everything_logged(caught.value)


@pytest.mark.gen_test
async def test_an_origin_that_does_not_shake_hands_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # the kernel accepts the connection, and nobody answers the TLS handshake
        async with http_fetcher(connect_timeout=0.2) as fetcher:
            with pytest.raises(FetchTimeout) as caught:
                await fetch(fetcher, f"https://127.0.0.1:{listener.getsockname()[1]}/?token={SECRET}")
    assert caught.value.facts == {"phase": "the connection", "seconds": "0.2"}
    assert SECRET not in everything_logged(caught.value)


@pytest.mark.parametrize(("code", "error"), [(socket.EAI_NONAME, HostNotFound), (socket.EAI_AGAIN, DnsFailed)])
@pytest.mark.gen_test
async def test_names_that_do_not_resolve(code: int, error: type[FetchError]) -> None:
    def look_up(_: str) -> tuple[str, ...]:
        raise socket.gaierror(code, "no")

    async with http_fetcher(lookup=look_up) as fetcher:
        with pytest.raises(FetchError) as caught:
            await fetch(fetcher, f"http://nowhere.example/?token={SECRET}")
    assert type(caught.value) is error
    assert SECRET not in everything_logged(caught.value)
