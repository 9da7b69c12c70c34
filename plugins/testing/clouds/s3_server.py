"""A server that speaks S3: moto's, in this process, with what S3 does and moto does not.

It prints its port, and ends when its standard input does.
"""

import base64
import hashlib
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import make_server

from .processes import PAGE

_CHECKSUM: Final = "HTTP_X_AMZ_CHECKSUM_SHA256"
_ERROR: Final = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Righted:
    """A WSGI application around moto's.

    A body that breaks off or has another checksum than announced is refused, and one request is worked on at a time:
    moto looks whether there is an object before it creates one, and another could come between.
    """

    def __init__(self, app: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) != length:
            return _refused(start_response, "IncompleteBody")
        announced = environ.get(_CHECKSUM)
        if announced is not None and announced != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return _refused(start_response, "BadDigest")
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            return list(self._app(environ, start_response))


def _refused(start_response: StartResponse, code: str) -> Iterable[bytes]:
    start_response("400 Bad Request", [("Content-Type", "application/xml")])
    return [_ERROR.format(code, "The test server refuses the body.").encode()]


def main() -> None:
    """Serve until standard input ends."""
    os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = str(PAGE)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # S3 alone: moto's dispatcher would look through all services for each request, which takes longer than the answer.
    server = make_server("127.0.0.1", 0, Righted(create_backend_app("s3")), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201 - how it says where it is
    sys.stdin.read()
    os._exit(0)  # at once, whatever its threads are doing: what it holds is nobody's


if __name__ == "__main__":
    main()
