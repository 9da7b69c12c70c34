"""A server that speaks Google Cloud Storage's JSON API: gcp-storage-emulator's, in this process, with what it lacks.

It prints its port, and ends when its standard input does. Added are conditions (``ifGenerationMatch``), the checksum of
a resumable upload, its end (``DELETE``), listings in pages, connections that are kept, and ``/unfinished``: GET names
the uploads under way, DELETE ends them.
"""

import io
import json
import logging
import os
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

from . import troubles
from .processes import PAGE

_LOCK: Final = threading.Lock()
"""One request is worked on at a time: the emulator is made for that, and conditions need it."""


_TROUBLES: Final = troubles.Troubles()
_NOT_PAGED: Final = {"delimiter", "matchGlob", "softDeleted"}
"""Parameters of listings that the emulator answers itself."""


class InMemory(Storage):  # type: ignore[misc]  # the emulator has no types
    """The emulator's storage, in memory."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)

    def _write_config_to_file(self) -> None:
        """Nothing: all that it knows of all objects would be written with each of them, and never be read."""


class Righted(RequestHandler):  # type: ignore[misc]  # the emulator has no types
    """The emulator's handler of one connection, with what Google does and the emulator does not."""

    protocol_version = "HTTP/1.1"
    rfile: Any
    wfile: Any

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) != length:  # the client has gone in the middle
            self.close_connection = True
            return
        address = urlsplit(self.path)
        if address.path == troubles.PATH:
            _TROUBLES.told(address.query)
            self._reply(204)
            return
        trouble = _TROUBLES.of(_bucket(address.path))
        if trouble in troubles.STATUSES:
            self._reply(troubles.STATUSES[trouble])
            return
        connection, self.rfile = self.rfile, io.BytesIO(body)
        try:
            with _LOCK:
                self._answer(body)
        finally:
            self.rfile = connection

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _answer(self, body: bytes) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if not self._may_be_lost(address.path, query):
            self._work(address, query, body)
            return
        connection, self.wfile = self.wfile, io.BytesIO()
        try:
            self._work(address, query, body)
        finally:
            answer, self.wfile = self.wfile, connection
        if b" 200 " in answer.getvalue()[:20]:
            self.close_connection = True
        else:
            connection.write(answer.getvalue())

    def _may_be_lost(self, path: str, query: dict[str, str]) -> bool:
        """Whether nobody is to be told when the request makes an object visible."""
        creates = "/upload/" in path and self.command in {"POST", "PUT"} and self._is_decisive(query)
        return creates and _TROUBLES.of(_bucket(path)) == troubles.LOST

    def _work(self, address: SplitResult, query: dict[str, str], body: bytes) -> None:
        upload = query.get("upload_id")
        if address.path == "/unfinished" and self.command == "DELETE":
            self.storage.resumable.clear()
            self._reply(204)
        elif address.path == "/unfinished":
            self._reply(200, json.dumps([entry["name"] for entry in self.storage.resumable.values()]).encode())
        elif upload is not None and self.command == "DELETE":
            self._end(upload)
        elif upload is not None and upload not in self.storage.resumable:
            self._reply(404)
        elif self.command == "GET" and address.path.endswith("/o") and query.keys().isdisjoint(_NOT_PAGED):
            self._list(unquote(address.path.partition("/b/")[2].removesuffix("/o")), query)
        elif not self._condition_holds(address.path, query, body):
            self._reply(412)
        else:
            if upload is not None:
                self._expect_checksum(self.storage.resumable[upload])
            Router(self).handle(self.command)

    def send_header(self, keyword: str, value: str) -> None:
        """Leave out the range of an upload that has nothing yet."""
        if (keyword, value) != ("Range", "bytes=0-0"):
            super().send_header(keyword, value)

    def _condition_holds(self, path: str, query: dict[str, str], body: bytes) -> bool:
        wanted = query.get("ifGenerationMatch")
        if wanted is None or not self._is_decisive(query):
            return True
        bucket, _, name = path.partition("/b/")[2].partition("/o")
        if "upload_id" in query:
            name = self.storage.resumable[query["upload_id"]]["name"]
        elif self.command == "POST":  # two parts, of which the first is JSON
            name = json.loads(body.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0])["name"]
        try:
            found = self.storage.get_file_obj(bucket, unquote(name.removeprefix("/")))
        except NotFound:
            return wanted == "0" or self.command == "GET"
        return bool(found["generation"] == wanted)

    def _is_decisive(self, query: dict[str, str]) -> bool:
        """Whether the request creates the object, or reads it: an upload may begin, and take pieces, in any case."""
        if query.get("uploadType") == "resumable" and "upload_id" not in query:
            return False
        span = self.headers.get("Content-Range", "")
        end, _, total = span.rpartition("-")[2].partition("/")
        return not span or (end.isdigit() and int(end) + 1 == int(total))

    def _expect_checksum(self, entry: dict[str, Any]) -> None:
        kind, _, value = self.headers.get("X-Goog-Hash", "").partition("=")
        if kind == "crc32c":
            entry["crc32c"] = value  # which the emulator compares at the end

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        """One page; its token is the last name in it, as nobody may know."""
        try:
            found, _ = self.storage.get_file_list(bucket, query.get("prefix"))
        except NotFound:
            self._reply(404)
            return
        rest = [entry for entry in found if entry["name"] > query.get("pageToken", "")]
        page = rest[: min(PAGE, int(query.get("maxResults", PAGE)))]
        answer = {"kind": "storage#objects", "items": page}
        if len(page) < len(rest):
            answer["nextPageToken"] = page[-1]["name"]
        self._reply(200, json.dumps(answer).encode())

    def _end(self, upload: str) -> None:
        if self.storage.resumable.pop(upload, None) is None:
            self._reply(404)
            return
        self._reply(499)

    def _reply(self, status: int, body: bytes = b"") -> None:
        self.send_response(status, "")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _bucket(path: str) -> str:
    return path.partition("/b/")[2].partition("/")[0]


def main() -> None:
    """Serve until standard input ends."""
    logging.disable(logging.ERROR)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Righted, InMemory()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201 - how it says where it is
    sys.stdin.read()
    os._exit(0)  # at once, whatever its threads are doing: what it holds is nobody's


if __name__ == "__main__":
    main()
