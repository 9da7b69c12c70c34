"""What is fuzzed: each target takes any bytes and raises only where the product is wrong."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.client import responses
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.web import Application
from yarl import URL

from lading.plugins.errors import SourceRefused
from lading.plugins.net.urls import HttpUrl, parse_http_url, resolve_reference
from lading.service.api.auth import Authenticator, issue_token, token_from_header
from lading.service.api.http.base import BaseHandler
from lading.service.api.http.in_flight import InFlight
from lading.service.api.params import ParamLimits, merge, parse_form, parse_json, parse_multipart, parse_query
from lading.service.api.params.body import parse_body
from lading.service.api.resources import Common
from lading.service.errors.catalogue import CATALOGUE, ApiError
from lading.service.errors.params import ParamsError
from lading.service.errors.specs import TusStatus
from lading.service.models.grants import Unauthorized
from lading.service.models.issuers import Issuer

NOW: Final = datetime(2026, 8, 1, tzinfo=UTC)
ISSUER: Final = Issuer("key-1", "org-1", "a secret that is long enough to sign with HS256")
TOKEN: Final = issue_token(ISSUER, abilities={"album": {"image_upload"}}, now=NOW, expires=None)
LIMITS: Final = ParamLimits()
BASE: Final = parse_http_url("https://base.example:8443/a/b?c")
BOUNDARY: Final = "multipart/form-data; boundary=x"


def text_of(data: bytes) -> str:
    """Bytes as text that may hold anything, lone surrogates included."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


# --- URLs -------------------------------------------------------------------------------------------------------------


def canonicalise(data: bytes) -> None:
    """A URL is refused, or has one form that every later parser reads alike."""
    text = text_of(data)
    for read in (parse_http_url, lambda reference: resolve_reference(BASE, reference)):
        try:
            url = read(text)
        except SourceRefused as error:
            assert error.detail.isprintable()
        else:
            _check_canonical(url)


def _check_canonical(url: HttpUrl) -> None:
    written = str(url)
    assert written.isascii()
    assert written.isprintable()
    assert " " not in written
    assert len(written) <= 8192
    assert parse_http_url(written) == url
    sent = URL(written, encoded=True)
    assert (sent.scheme, sent.raw_host, sent.port, sent.user) == (url.scheme, url.host, url.port, None)
    parts = urlsplit(written)
    assert (parts.scheme, parts.hostname, parts.username) == (url.scheme, url.host, None)


# --- parameters -------------------------------------------------------------------------------------------------------


def read_parameters(data: bytes) -> None:
    """Parameters of every kind are refused with their own error, or are plain values that JSON can write."""
    head, _, body = data.partition(b"\n")
    readers: tuple[Callable[[], Any], ...] = (
        lambda: parse_query(data, LIMITS),
        lambda: parse_form(data, LIMITS),
        lambda: parse_json(data, LIMITS),
        lambda: parse_multipart(data, BOUNDARY, LIMITS),
        lambda: parse_body(body, head.decode("latin-1"), "", LIMITS),
    )
    for read in readers:
        try:
            params = read()
        except ParamsError as error:
            assert error.detail.isprintable()
            assert error.parameter is None or error.parameter.isprintable()
        else:
            merged = merge({}, params)
            assert json.loads(json.dumps(merged, allow_nan=False).encode()) == merged


# --- tokens -----------------------------------------------------------------------------------------------------------


class _StoppedClock:
    def now(self) -> datetime:
        return NOW


async def _find(issuer_id: str) -> Issuer | None:
    assert isinstance(issuer_id, str)
    return ISSUER if issuer_id == ISSUER.id else None


AUTHENTICATOR: Final = Authenticator(_find, _StoppedClock())


def authenticate(data: bytes) -> None:
    """No header but one with the issuer's own signature gives a grant, and a refusal holds nothing of the header."""
    value = text_of(data)
    for header in (value, f"Bearer {value}", f'Token token="{value}"'):
        try:
            token = token_from_header(header)
        except Unauthorized:
            token = None
        coroutine = AUTHENTICATOR.authenticate(header)
        try:
            coroutine.send(None)
        except StopIteration as end:
            assert token is not None
            assert end.value.issuer_id == ISSUER.id
            # Nobody else has the secret. The signature's last letter has bits that no decoder looks at.
            assert token.rpartition(".")[0] == TOKEN.rpartition(".")[0]
        except Unauthorized as error:
            assert error.reason.value == str(error)
        else:
            raise AssertionError("it waits for something")


# --- problems ---------------------------------------------------------------------------------------------------------

_LOOP: Final = asyncio.new_event_loop()
_APPLICATION: Final = Application(log_function=lambda _: None)
_COMMON: Final = cast(
    "Common", SimpleNamespace(in_flight=InFlight(), cors=None, limits=SimpleNamespace(body_max_bytes=1000))
)
"""Of an application's parts, the writing of errors needs these alone."""
_CODES: Final = tuple(CATALOGUE)
_FACTS: Final = re.compile(r"{(\w+)}")


class _Recorder:
    """The connection of one request: keeps what is written to it."""

    def __init__(self) -> None:
        self.heads: list[tuple[ResponseStartLine, HTTPHeaders]] = []
        self.body = b""
        self.stream = SimpleNamespace()

    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes = b""
    ) -> "asyncio.Future[None]":
        self.heads.append((start_line, headers))
        return self.write(chunk)

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        self.body += chunk
        done: asyncio.Future[None] = _LOOP.create_future()
        done.set_result(None)
        return done

    def finish(self) -> None: ...

    def set_close_callback(self, callback: Callable[[], None] | None) -> None: ...


def write_problem(data: bytes) -> None:
    """Whatever was wrong with a request, its answer is one well-formed problem in which nothing was smuggled."""
    text = text_of(data)
    sent_id = bytes(byte for byte in data if 0x20 <= byte != 0x7F).decode("latin-1")  # the server lets no other pass
    for error in _errors(data, text):
        # In a running loop, so that the one that is set for this thread stays what it is.
        _LOOP.run_until_complete(_check_problem(text, sent_id, error))


def _errors(data: bytes, text: str) -> list[BaseException]:
    """What handlers raise when a client sends this."""
    found: list[BaseException] = []
    for read in (parse_query, parse_json):
        try:
            read(data, LIMITS)
        except ParamsError as error:
            found.append(error)
    try:
        parse_http_url(text)
    except SourceRefused as error:
        found.append(ApiError.from_refusal(error))
    code = _CODES[sum(data) % len(_CODES)]
    facts = dict.fromkeys(_FACTS.findall(CATALOGUE[code].text), "fact")
    found.append(ApiError(code, internal=text, retry_after=len(data), **facts))
    found.append(RuntimeError(text))
    return found


async def _check_problem(text: str, sent_id: str, error: BaseException) -> None:
    recorder = _Recorder()
    headers = HTTPHeaders({"Host": "a", "X-Request-Id": sent_id.strip()})
    request = HTTPServerRequest(
        headers=headers,
        connection=cast("Any", recorder),
        start_line=RequestStartLine("GET", "/api/v1/imports", "HTTP/1.1"),
    )
    request._body_future = _LOOP.create_future()
    handler = BaseHandler(_APPLICATION, request, common=_COMMON, api=None)
    handler._transforms = []  # as Tornado sets it before it runs a method
    handler.write_error(500, exc_info=(type(error), error, None))
    ((start_line, written),) = recorder.heads
    for name, value in written.get_all():
        assert (name + value).isprintable(), (name, value)
        assert (name + value).isascii(), (name, value)
    problem = json.loads(recorder.body)
    assert written["Content-Type"].startswith("application/problem+json")
    assert int(written["Content-Length"]) == len(recorder.body)
    assert problem["status"] == start_line.code
    assert problem["status"] in (*responses, *TusStatus)
    assert problem["request_id"] == written["X-Request-Id"]
    assert problem["code"]
    assert problem["detail"].isprintable()
    if isinstance(error, RuntimeError):
        assert problem["code"] == "internal_error"
        assert len(text) < 5 or text not in problem["detail"]


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "canonicaliser": canonicalise,
    "parameters": read_parameters,
    "token header": authenticate,
    "problem writer": write_problem,
}

WORDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "canonicaliser": tuple(
        word.encode("utf-8", "surrogatepass")
        for word in (
            *("http://", "https:", "//", "/", "?", "#", "@", ":", "[", "]", "%25", "%", "\\", ".", "..", "\t", "\0"),
            *("127.0.0.1", "0x7f", "0177", "::1", "::ffff:", "fe80::1%25lo", "xn--", "xn--bcher-kva", ":80", ":65536"),
            *("a", "-", "_", "é", "ß", "\u3002", "\uff0e", "\uff11", "\u0967", "\u05d0", "\u200d", "\ud800", "\u202e"),
        )
    ),
    "parameters": (
        *(b"a", b"=", b"&", b"[", b"]", b"[]", b"a[b]", b"%5B", b"%", b"%ff", b"+", b"\0", b"\xc3\xa9", b"; "),
        *(b"{", b"}", b'"a"', b":", b",", b"null", b"1e999", b"NaN", b"-0", b"\\ud800", b"\\", b"9" * 40),
        *(b"--x", b"--x--", b"\r\n", b'Content-Disposition: form-data; name="a"', b"\r\n\r\n", b"filename="),
        *(b"application/json\n", b"multipart/form-data; boundary=x\n", b"text/plain; charset=utf-16\n"),
    ),
    "token header": (
        *(b"Token ", b"Bearer ", b"token=", b'"', b".", b",", b";", b" ", b"\t", b"a=b", b"=", b"\\", b"eyJ"),
        *(piece.encode() for piece in TOKEN.split(".")),
        *(TOKEN.encode(), b"e30", b"eyJhbGciOiJub25lIn0", b"\xff", b"nonce=1"),
    ),
    "problem writer": (
        *(b"http://", b"a", b"[", b"]", b"=", b"&", b"%0d%0a", b"\r\n", b"{", b'"', b"\\u0000", b"<script>", b"{0}"),
        *(b"\xed\xa0\x80", b"\xe2\x80\xae", b"ftp://", b"{a}", b"%s", b"\x1b", b"'", b"a[b]=1&a=2"),
    ),
}
"""What inputs of each target are made of, beside any bytes."""
