"""The token goes to the service alone, and is never told."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import pytest

from lading.client import AsyncClient, Client, LadingError, NotFound
from tests.client.unit.playing import CUT, IMPORT, Answer, Played

TOKEN = "a-secret.token_of-somebody"
SHA256 = "a" * 64


class Echoing(BaseHTTPRequestHandler):
    """Echoes the token, as the service does; ``/moved`` leads elsewhere."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        self.send_response(302 if "moved" in self.path else 404)
        self.send_header("X-token", TOKEN)
        self.send_header("Location", f"http://localhost:{self.connection.getsockname()[1]}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def echo() -> Iterator[str]:
    Echoing.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echoing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def failures(url: str, **options: Any) -> list[LadingError]:
    """What both clients raise."""
    found: list[LadingError] = []
    with Client(url, TOKEN, **options) as client:
        for image_id in ("x", "moved"):
            with pytest.raises(LadingError) as error:
                client.read_image(image_id)
            found.append(error.value)
        assert TOKEN not in repr(client)
        assert TOKEN not in repr(vars(client))

    async def both() -> None:
        async with AsyncClient(url, TOKEN, **options) as client:
            for image_id in ("x", "moved"):
                with pytest.raises(LadingError) as error:
                    await client.read_image(image_id)
                found.append(error.value)

    asyncio.run(both())
    return found


@pytest.mark.parametrize("follow", [False, True])
def test_it_is_in_no_error_and_no_log_and_goes_to_no_other_host(
    echo: str, caplog: pytest.LogCaptureFixture, follow: bool
) -> None:
    with caplog.at_level(logging.DEBUG):
        errors = failures(echo, follow_redirects=follow)
    for error in errors:
        told = "".join(traceback.TracebackException.from_exception(error).format())
        assert TOKEN not in told + repr(error) + repr(vars(error))
    assert "x-token" in caplog.text.lower(), "the answer was logged"
    assert TOKEN not in caplog.text
    elsewhere = [authorization for path, authorization in Echoing.seen if path == "/elsewhere"]
    assert elsewhere == [None] * (2 if follow else 0)
    assert {authorization for path, authorization in Echoing.seen if path != "/elsewhere"} == {f"Bearer {TOKEN}"}
    assert [error.code for error in errors[:2]] == ["http_404", "http_404" if follow else "redirected"]


def test_a_token_may_be_made_for_each_request(echo: str) -> None:
    tokens = iter(("first", "second"))
    with Client(echo, lambda: next(tokens)) as client:
        for _ in range(2):
            with pytest.raises(NotFound):
                client.trace("x")
    assert [authorization for _, authorization in Echoing.seen] == ["Bearer first", "Bearer second"]


def test_a_transport_of_the_callers_own_is_used() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=IMPORT)

    with Client("https://images.example.org/under", TOKEN, transport=httpx.MockTransport(answer)) as client:
        assert client.get_import("ü/x").id == IMPORT["id"]
    assert str(seen[0].url) == "https://images.example.org/under/api/v1/imports/%C3%BC%2Fx"
    assert seen[0].headers["user-agent"].startswith("lading-client/")


# --- bytes that a storage serves itself -------------------------------------------------------------------------------


def test_signed_urls_are_fetched_without_the_token_and_anew_after_a_cut() -> None:
    played = Played(follow_redirects=True)
    moved = [Answer(302, b"", {"Location": f"https://bucket.example/o?sig={number}"}) for number in range(2)]
    whole = Answer(200, [b"0123", CUT], {"Content-Length": "10", "ETag": '"other"'})
    rest = Answer(206, b"456789", {"Content-Range": "bytes 4-9/10"})
    facts = {
        **{name: IMPORT[name] for name in ("id", "organization_id", "album_id", "created_at")},
        "import_id": "x", "format": "JPEG", "content_type": "image/jpeg", "width": 1, "height": 1, "byte_size": 10,
        "sha256": "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882",
    }  # fmt: skip
    played.play(played.operations.read_image("i"), [moved[0], whole, moved[1], rest, Answer(200, facts)])
    assert played.result == b"0123456789"
    assert [request.path for request in played.requests] == [
        "/api/v1/images/i/content",
        "https://bucket.example/o?sig=0",
        "/api/v1/images/i/content",
        "https://bucket.example/o?sig=1",
        "/api/v1/images/i",
    ]
    assert played.requests[3].headers["Range"] == "bytes=4-9"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"0123456789", {"Content-Length": "10", "ETag": f'"{SHA256}"'}),
        Answer(206, b"0123456789", {"Content-Range": "bytes 1-10/11"}),
        Answer(200, b"0123456789"),
    ],
)
def test_other_bytes_are_told(answer: Answer) -> None:
    played = Played()
    with pytest.raises(LadingError) as error:
        played.play(played.operations.read_image("i"), [answer])
    assert error.value.code in ("checksum_mismatch", "answer_invalid")
