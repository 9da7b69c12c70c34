"""A part of Azure Blob Storage's REST API on loopback, in threads, with troubles: what ``AzureStorage`` asks for.

Bodies are files, so that nothing of them is in the memory that a case measures.
"""

import base64
import hmac
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from lading.plugins.testing.clouds.troubles import LOST, STATUSES, Troubles

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = base64.b64encode(b"the key of the emulator's account").decode()
PAGE: Final = 20
_CODES: Final = {"gone": "ContainerNotFound", "denied": "AuthorizationFailure"}
_PIECE: Final = 64 * 1024
_SIGNED: Final = (
    *("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date"),
    *("If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"),
)


def signature(key: str, account: str, method: str, path: str, query: Mapping[str, str], headers: Any) -> str:
    """See https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    values = [headers.get(name) or "" for name in _SIGNED]
    own = sorted((name.lower(), value.strip()) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    lines = [method, *("" if value == "0" else value for value in values), *(f"{name}:{value}" for name, value in own)]
    lines += [f"/{account}{path}", *(f"{name.lower()}:{query[name]}" for name in sorted(query))]
    digest = hmac.digest(base64.b64decode(key), "\n".join(lines).encode(), "sha256")
    return base64.b64encode(digest).decode()


@dataclass
class Blob:
    path: Path
    content_type: str
    metadata: Mapping[str, str]
    etag: str = field(default_factory=lambda: f'"0x{uuid.uuid4().hex}"')


class Emulator:
    """Containers are made by asking for a name."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="azure-emulator-"))
        self.containers: dict[str, dict[str, Blob]] = {}
        self.blocks: dict[tuple[str, str, str], Path] = {}
        self.troubles = Troubles()
        self.lock = threading.RLock()
        emulator = self

        class Bound(Handler):
            server_emulator = emulator

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{ACCOUNT}"

    def new_container(self) -> str:
        name = f"images-{uuid.uuid4().hex}"
        self.containers[name] = {}
        return name

    def put(self, container: str, name: str, path: Path, content_type: str, metadata: Mapping[str, str]) -> Blob:
        blob = self.containers[container][name] = Blob(path, content_type, metadata)
        return blob

    def new_file(self) -> Path:
        return self.folder / uuid.uuid4().hex

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self.folder)


class Handler(BaseHTTPRequestHandler):
    server_emulator: Emulator
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        address = urlsplit(self.path)
        self.query = dict(parse_qsl(address.query, keep_blank_values=True))
        _, _, container, *names = unquote(address.path).split("/", 3)
        self.container, self.name = container, names[0] if names else ""
        body = self._taken()
        trouble = self.server_emulator.troubles.of(container)
        if body is None:
            self.close_connection = True
        elif trouble in STATUSES:
            self._answer(STATUSES[trouble], _CODES.get(trouble, "Trouble"))
        elif self._authorized(address.path):
            with self.server_emulator.lock:
                self.loses = trouble == LOST and self.command == "PUT" and "blockid" not in self.query
                self._work(body)
        else:
            self._answer(403, "AuthenticationFailed")

    do_GET = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _taken(self) -> Path | None:
        rest, path = int(self.headers.get("Content-Length") or 0), self.server_emulator.new_file()
        with path.open("wb") as file:
            while rest and (piece := self.rfile.read(min(rest, _PIECE))):
                file.write(piece)
                rest -= len(piece)
        return None if rest else path

    def _authorized(self, path: str) -> bool:
        wanted = signature(KEY, ACCOUNT, self.command, path, self.query, self.headers)
        return self.headers.get("Authorization") == f"SharedKey {ACCOUNT}:{wanted}"

    def _work(self, body: Path) -> None:
        blobs = self.server_emulator.containers.get(self.container)
        if blobs is None:
            self._answer(404, "ContainerNotFound")
        elif self.query.get("comp") == "list":
            self._list(blobs)
        elif not self.name:
            self._answer(200)
        elif self.command == "PUT":
            self._put(blobs, body)
        elif self.name not in blobs:
            self._answer(404, "BlobNotFound")
        elif self.command == "DELETE":
            del blobs[self.name]
            self._answer(202)
        else:
            self._get(blobs[self.name])

    def _put(self, blobs: dict[str, Blob], body: Path) -> None:
        emulator, place = self.server_emulator, (self.container, self.name)
        if self.query.get("comp") == "block":
            emulator.blocks[(*place, self.query["blockid"])] = body
            self._answer(201)
            return
        if self.headers.get("If-None-Match") == "*" and self.name in blobs:
            self._answer(409, "BlobAlreadyExists")
            return
        content_type = self.headers.get("Content-Type")
        if self.query.get("comp") == "blocklist":
            content_type = self.headers.get("x-ms-blob-content-type")
            ids = [part.partition("<")[0] for part in body.read_text().split("<Latest>")[1:]]
            with body.open("wb") as whole:
                for one in ids:
                    with emulator.blocks[(*place, one)].open("rb") as block:
                        shutil.copyfileobj(block, whole)
        metadata = {
            name.lower(): value for name, value in self.headers.items() if name.lower().startswith("x-ms-meta-")
        }
        emulator.put(*place, body, content_type or "application/octet-stream", metadata)
        self._answer(201)

    def _get(self, blob: Blob) -> None:
        size = blob.path.stat().st_size
        if self.headers.get("If-Match", blob.etag) != blob.etag:
            self._answer(412, "ConditionNotMet")
            return
        start, end, status = 0, size, 200
        if "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(size, int(last) + 1), 206
            if start >= size:
                self._answer(416, "InvalidRange")
                return
        self.send_response(status)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Type", blob.content_type)
        self.send_header("ETag", blob.etag)
        for name, value in blob.metadata.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with blob.path.open("rb") as file:
                file.seek(start)
                while start < end and (piece := file.read(min(_PIECE, end - start))):
                    self.wfile.write(piece)
                    start += len(piece)

    def _list(self, blobs: Mapping[str, Blob]) -> None:
        prefix, marker = self.query.get("prefix", ""), self.query.get("marker", "")
        names = sorted(name for name in blobs if name.startswith(prefix) and name > marker)
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{self._modified(blobs[name])}</Last-Modified>"
            f"<Content-Length>{blobs[name].path.stat().st_size}</Content-Length></Properties></Blob>"
            for name in names[:PAGE]
        )
        after = names[PAGE - 1] if len(names) > PAGE else ""
        text = (
            f"<EnumerationResults><Blobs>{items}</Blobs><NextMarker>{escape(after)}</NextMarker></EnumerationResults>"
        )
        self._answer(200, text=text)

    def _modified(self, blob: Blob) -> str:
        return self.date_time_string(int(blob.path.stat().st_mtime))

    def _answer(self, status: int, code: str = "", *, text: str = "") -> None:
        if status < 300 and getattr(self, "loses", False):
            self.close_connection = True  # the request is carried out, and nobody is told
            return
        self.send_response(status)
        if code:
            self.send_header("x-ms-error-code", code)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has gone
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's
        return
