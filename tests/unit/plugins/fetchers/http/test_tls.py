import asyncio
import ssl
from pathlib import Path

import pytest

from lading.plugins.errors import RedirectNotAllowed, TlsFailed
from lading.plugins.fetchers.http.wire.connector import make_tls_context
from lading.plugins.host.record import tracing
from lading.plugins.testing.origin import Origin, answer, redirect
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher

CERTIFICATES = Path(__file__).parents[1] / "certificates"


@pytest.fixture
def tls() -> ssl.SSLContext:
    """The server's side of ``localhost``."""
    return server_side("localhost")


def server_side(certificate: str) -> ssl.SSLContext:
    """What a server with one of the certificates shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the test authority the system's only one; OpenSSL reads the variable when a context is made."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))


@pytest.mark.gen_test
async def test_an_origin_with_a_trusted_certificate(tls: ssl.SSLContext, trusted: None) -> None:
    async with (
        Origin({"/a": answer(b"image" * 50_000)}, tls=tls, name="localhost") as origin,
        http_fetcher() as fetcher,
    ):
        for _ in range(3):
            assert await fetch(fetcher, origin.url("/a")) == b"image" * 50_000
        assert await fetch(fetcher, origin.url("/a", name="localhost.")) == b"image" * 50_000
    assert origin.connections == 1


@pytest.mark.gen_test
async def test_the_handshake_has_a_phase_of_its_own(tls: ssl.SSLContext, trusted: None) -> None:
    async with Origin({"/a": answer(b"image")}, tls=tls, name="localhost") as origin, http_fetcher() as fetcher:
        with tracing() as trace:
            await fetch(fetcher, origin.url("/a"))
    assert [phase.name for phase in trace.phases] == ["send", "dns", "connect", "tls", "head"]


@pytest.mark.gen_test
async def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext, trusted: None) -> None:
    async with Origin({"/a": answer(b"image")}, tls=tls) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            for name in ("127.0.0.1", "images.example"):
                with pytest.raises(TlsFailed, match=r"mismatch|not valid for") as caught:
                    await fetch(fetcher, origin.url(f"/a?token={SECRET}", name=name))
                assert SECRET not in everything_logged(caught.value)
    assert not origin.requests


@pytest.mark.gen_test
async def test_a_certificate_of_an_unknown_authority_is_refused(tls: ssl.SSLContext) -> None:
    async with Origin({"/a": answer(b"image")}, tls=tls, name="localhost") as origin, http_fetcher() as fetcher:
        with pytest.raises(TlsFailed, match="certificate"):
            await fetch(fetcher, origin.url("/a"))
    assert not origin.requests


@pytest.mark.gen_test
async def test_an_origin_that_does_not_speak_tls_is_refused(trusted: None) -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server, http_fetcher() as fetcher:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TlsFailed):
            await fetch(fetcher, f"https://127.0.0.1:{port}/a")


@pytest.mark.gen_test
async def test_a_redirect_may_lead_from_http_to_https_but_not_back(tls: ssl.SSLContext, trusted: None) -> None:
    async with (
        Origin(tls=tls, name="localhost") as secure,
        Origin(name="localhost") as plain,
        http_fetcher() as fetcher,
    ):
        plain.routes = {"/up": redirect(secure.url("/a")), "/b": answer(b"image")}
        secure.routes = {"/a": answer(b"image"), "/down": redirect(plain.url("/b"))}
        assert await fetch(fetcher, plain.url("/up"), {"X-Key": "secret"}) == b"image"
        assert ["x-key" in request.headers for request in (*plain.requests, *secure.requests)] == [True, False]
        requests = len(plain.requests)
        with pytest.raises(RedirectNotAllowed) as caught:
            await fetch(fetcher, secure.url("/down"))
        assert caught.value.facts["reason"] == "it leads from https to http"
        assert len(plain.requests) == requests


def test_old_protocols_and_unchecked_names_are_off() -> None:
    context = make_tls_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


UNFIT = [
    # A wildcard stands for one label, the first (RFC 9525 section 6.3), and for no address.
    ("wildcard", "images.example"),
    ("wildcard", "a.b.images.example"),
    ("wildcard", "example"),
    ("wildcard", "aimages.example"),
    ("wildcard", "a.images.example.evil.example"),
    ("wildcard", "127.0.0.1"),
    ("wildcard", "[::ffff:127.0.0.1]"),
    # The subject's common name names nobody (RFC 9525 section 2).
    ("common-name", "images.example"),
    ("client", "images.example"),
    ("expired", "images.example"),
    ("future", "images.example"),
    ("localhost", "localhost.example"),
    ("localhost", "xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("certificate", "name"), UNFIT)
@pytest.mark.gen_test
async def test_unfit_certificates_end_before_the_request(certificate: str, name: str, trusted: None) -> None:
    async with Origin({"/a": answer(b"image")}, tls=server_side(certificate)) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            with pytest.raises(TlsFailed) as caught:
                await fetch(fetcher, origin.url(f"/a?token={SECRET}", name=name), {"X-Key": SECRET})
    assert not origin.requests
    assert not caught.value.retryable
    assert caught.value.detail == type(caught.value).public_text
    assert SECRET not in everything_logged(caught.value)


@pytest.mark.parametrize("name", ["a.images.example", "A.IMAGES.example.", "xn--bcher-kva.images.example"])
@pytest.mark.gen_test
async def test_a_wildcard_stands_for_one_label(name: str, trusted: None) -> None:
    async with Origin({"/a": answer(b"image")}, tls=server_side("wildcard")) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            assert await fetch(fetcher, origin.url("/a", name=name)) == b"image"


@pytest.mark.gen_test
async def test_a_redirect_to_a_wrong_name_is_refused_though_the_connection_is_open(trusted: None) -> None:
    async with Origin(tls=server_side("wildcard")) as origin:
        origin.routes = {"/a": redirect(origin.url("/b", name="images.example")), "/b": answer(b"image")}
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            with pytest.raises(TlsFailed):
                await fetch(fetcher, origin.url("/a", name="a.images.example"))
    assert len(origin.requests) == 1
