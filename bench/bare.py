"""The reference of ``bench.sections.accept``: a bare Tornado handler that parses the same form, verifies the same
token with PyJWT and answers the same bytes, with no database and no checks, on uvloop, as the service. For
``bench.sections.views``, one that verifies the token and answers with so many bytes.

    python -m bench.bare PORT
"""

import asyncio
import functools
import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import jwt
import uvloop
from tornado.web import Application, RequestHandler

from lading.service.api.http.headers import FIXED
from tests.support.servers.service import SECRET


class Handler(RequestHandler):
    """Answers as the API does."""

    def post(self) -> None:
        """Parse, verify, answer."""
        token, claims = _verified(self)
        params: dict[str, Any] = {}
        for name, value in parse_qsl(self.request.body.decode()):
            outer, _, inner = name.partition("[")
            if inner:
                params.setdefault(outer, {})[inner.removesuffix("]")] = value
            else:
                params[outer] = value
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        import_id = str(uuid.uuid4())
        document = {
            "id": import_id,
            "organization_id": claims["iss"],
            "image_id": None,
            "import_type": None,
            "album_id": params.get("album_id"),
            "params": {**params, "controller": "api/v1/imports", "action": "create"},
            "created_at": now,
            "updated_at": now,
        }
        self.clear_header("Server")
        for name, value in FIXED:
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("X-token", token)
        self.set_header("X-Request-Id", str(uuid.uuid4()))
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.set_header("Location", f"/api/v1/imports/{import_id}")
        self.finish(json.dumps(document, ensure_ascii=False, separators=(",", ":")))

    def compute_etag(self) -> None:
        """None, as the API."""


class Bytes(RequestHandler):
    """Answers with so many bytes."""

    def get(self, size: str) -> None:
        """Verify, answer."""
        _verified(self)
        self.clear_header("Server")
        for name, value in FIXED:
            self.set_header(name, value)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Request-Id", str(uuid.uuid4()))
        self.finish(_bytes(int(size)))

    def compute_etag(self) -> None:
        """None: the API hashes nothing for an answer either."""


def _verified(handler: RequestHandler) -> tuple[str, dict[str, Any]]:
    """The token of a request, and its claims."""
    token = handler.request.headers["Authorization"].removeprefix("Bearer ")
    return token, jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["exp", "iss"]})


@functools.cache
def _bytes(size: int) -> bytes:
    return b"x" * size


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    routes = [("/api/v1/imports", Handler), (r"/bytes/(\d+)", Bytes)]
    Application(routes, log_function=lambda _: None).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
