"""A server that speaks S3: moto's, in this process, with what S3 does and moto does not.

It prints its port, and ends when its standard input does.
"""

import base64
import hashlib
import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import make_server

from . import troubles
from .processes import PAGE

_CHECKSUM: Final = "HTTP_X_AMZ_CHECKSUM_SHA256"
_TROUBLES: Final = {
    "down": "ServiceUnavailable",
    "silent": "ServiceUnavailable",
    "gone": "NoSuchBucket",
    "denied": "AccessDenied",
}
_ERROR: Final = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'

StartResponse = Callable[..., Any]


class Righted:
    """A WSGI application around moto's.

    A body that breaks off or has another checksum than announced is refused, and one request is worked on at a time:
    moto looks whether there is an object before it creates one, and another could come between.
    """

    def __init__(self, app: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._troubles = troubles.Troubles()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) != length:
            return _refused(start_response, "IncompleteBody")
        announced = environ.get(_CHECKSUM)
        if announced is not None and announced != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return _refused(start_response, "BadDigest")
        environ["wsgi.input"] = io.BytesIO(body)
        path, method = str(environ["PATH_INFO"]), str(environ["REQUEST_METHOD"])
        if path == troubles.PATH:
            self._troubles.told(environ["QUERY_STRING"])
            start_response("204 No Content", [])
            return []
        trouble = self._troubles.of(path.split("/")[1])
        if trouble in troubles.STATUSES:
            refusal = _refused(start_response, _TROUBLES[trouble], troubles.STATUSES[trouble])
            return [] if method == "HEAD" else refusal
        statuses: list[str] = []

        def noted(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, headers, *rest)

        with self._lock:
            answer = list(self._app(environ, noted))
        if trouble == troubles.LOST and statuses[0].startswith("200") and _commits(method, environ["QUERY_STRING"]):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer


def _commits(method: str, query: str) -> bool:
    """Whether a request makes an object visible: PutObject or CompleteMultipartUpload."""
    return (method == "PUT" and "partNumber=" not in query) or (method == "POST" and "uploadId=" in query)


def _refused(start_response: StartResponse, code: str, status: int = 400) -> Iterable[bytes]:
    start_response(f"{status} {code}", [("Content-Type", "application/xml")])
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
