"""TLS errors say which: each fault of a certificate, and of the handshake, by real servers."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from lading.plugins.errors import (
    TlsCertificateExpired,
    TlsCertificateNotYetValid,
    TlsFailed,
    TlsHandshakeFailed,
    TlsIssuerUnknown,
    TlsNameMismatch,
    TlsSelfSigned,
)
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.certificates import DAY, Certificate, issue
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, fetch, http_fetcher

HOST = "images.example"
ROOT = issue("root", is_authority=True)
OTHER_ROOT = issue("another root", is_authority=True)
BETWEEN = issue("between", ROOT, is_authority=True)
OLD_BETWEEN = issue("old", ROOT, is_authority=True, begins=-9 * DAY, ends=-DAY)

Shown = tuple[Certificate, ...]

CERTIFICATES: dict[str, tuple[Shown, type[TlsFailed]]] = {
    "unknown authority": ((issue(HOST, OTHER_ROOT),), TlsIssuerUnknown),
    "unknown authority, shown": ((issue(HOST, OTHER_ROOT), OTHER_ROOT), TlsIssuerUnknown),
    "missing intermediate": ((issue(HOST, BETWEEN),), TlsIssuerUnknown),
    "another intermediate": ((issue(HOST, BETWEEN), issue("x", ROOT, is_authority=True)), TlsIssuerUnknown),
    "self-signed": ((issue(HOST),), TlsSelfSigned),
    "self-signed for another host": ((issue("other.example"),), TlsSelfSigned),
    "another host": ((issue("other.example", ROOT),), TlsNameMismatch),
    "another host, with an intermediate": ((issue("other.example", BETWEEN), BETWEEN), TlsNameMismatch),
    "a host below": ((issue(f"a.{HOST}", ROOT),), TlsNameMismatch),
    "an address": ((issue("127.0.0.1", ROOT),), TlsNameMismatch),
    "expired": ((issue(HOST, ROOT, begins=-9 * DAY, ends=-DAY),), TlsCertificateExpired),
    "expired intermediate": ((issue(HOST, OLD_BETWEEN), OLD_BETWEEN), TlsCertificateExpired),
    "not yet valid": ((issue(HOST, ROOT, begins=DAY, ends=9 * DAY),), TlsCertificateNotYetValid),
    "for clients": ((issue(HOST, ROOT, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),), TlsFailed),
}


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make ``ROOT`` the system's only authority; OpenSSL reads the variable when a context is made."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ROOT.trusted_in(tmp_path)))


@contextmanager
def alerting(tls: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that sends an alert where a handshake fails: asyncio's closes the connection without."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError), tls.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


async def failure_of(tls: ssl.SSLContext, host: str = HOST) -> TlsFailed:
    async with Origin({"/a": answer(b"image")}, tls=tls) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            with pytest.raises(TlsFailed) as caught:
                await fetch(fetcher, origin.url(f"/a?token={SECRET}", name=host))
    assert not origin.requests
    assert not caught.value.retryable
    assert SECRET not in everything_logged(caught.value)
    return caught.value


@pytest.mark.parametrize(("shown", "error"), CERTIFICATES.values(), ids=CERTIFICATES)
@pytest.mark.gen_test
async def test_each_fault_of_a_certificate_is_told(shown: Shown, error: type[TlsFailed], tmp_path: Path) -> None:
    first, *rest = shown
    assert type(await failure_of(first.server(tmp_path, *rest))) is error


@pytest.mark.gen_test
async def test_an_address_that_the_certificate_does_not_name(tmp_path: Path) -> None:
    assert type(await failure_of(issue(HOST, ROOT).server(tmp_path), "127.0.0.1")) is TlsNameMismatch


@pytest.mark.gen_test
async def test_a_whole_chain_is_accepted(tmp_path: Path) -> None:
    tls = issue(HOST, BETWEEN).server(tmp_path, BETWEEN)
    async with Origin({"/a": answer(b"image")}, tls=tls) as origin:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            assert await fetch(fetcher, origin.url("/a", name=HOST)) == b"image"


def old_version(tls: ssl.SSLContext) -> None:
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1


def no_common_cipher(tls: ssl.SSLContext) -> None:
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers("eNULL:@SECLEVEL=0")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("change", [old_version, no_common_cipher])
@pytest.mark.gen_test
async def test_a_handshake_without_agreement(change: Callable[[ssl.SSLContext], None], tmp_path: Path) -> None:
    tls = issue(HOST, ROOT).server(tmp_path)
    change(tls)
    assert await alerted(tls) is TlsHandshakeFailed


@pytest.mark.gen_test
async def test_a_server_that_knows_no_such_host(tmp_path: Path) -> None:
    tls = issue(HOST, ROOT).server(tmp_path)
    tls.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    assert await alerted(tls) is TlsNameMismatch


async def alerted(tls: ssl.SSLContext) -> type[TlsFailed]:
    with alerting(tls) as port:
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",)) as fetcher:
            with pytest.raises(TlsFailed) as caught:
                await fetch(fetcher, f"https://{HOST}:{port}/a")
    return type(caught.value)


@pytest.mark.parametrize("greeting", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64])
@pytest.mark.gen_test
async def test_a_port_without_tls(greeting: bytes) -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server, http_fetcher() as fetcher:
        with pytest.raises(TlsFailed) as caught:
            await fetch(fetcher, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/a")
    assert type(caught.value) is TlsHandshakeFailed


def test_texts_and_codes_differ() -> None:
    kinds = {error for _, error in CERTIFICATES.values()} | {TlsHandshakeFailed}
    assert len({kind.code for kind in kinds}) == len({kind.public_text for kind in kinds}) == len(kinds) == 7
