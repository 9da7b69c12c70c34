"""``/openapi.json`` and ``/docs``: the description of the API, for programs and for people.

The page is Swagger UI, from the files of the package ``fastapi-offline`` (``pip install 'lading[docs]'``): nothing is
loaded from another host, and the page says so to the browser (Content Security Policy Level 3).
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from service.errors import ApiError
from service.handlers.base import BaseHandler
from service.openapi.document import describe

FILES: Final[Mapping[str, str]] = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""What is served of the package, with its media type; nothing else is looked for."""
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Lading</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null});
"""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class DescriptionHandler(BaseHandler):
    """The description for programs."""

    async def get(self) -> None:
        """OpenAPI 3.1."""
        rules = self.api.imports.rules
        limits = {
            "metadata": rules.metadata_max_bytes,
            "filename": rules.filename_max_bytes,
            "album_id": rules.album_id_max_bytes,
            "upload": self.api.upload_max_bytes,
        }
        self.answer(HTTPStatus.OK, describe(limits))


class DocsHandler(BaseHandler):
    """The description for people."""

    async def get(self) -> None:
        """A page that renders it."""
        if _folder() is None:
            raise ApiError("docs_not_installed")
        self.set_header("Content-Security-Policy", _POLICY)
        self.send_text(_PAGE, "text/html")

    def send_text(self, text: str, media_type: str) -> None:
        """Finish with a text."""
        self.set_header("Content-Type", f"{media_type}; charset=utf-8")
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish(text)


class DocsFileHandler(DocsHandler):
    """What the page is made of."""

    async def get(self, file: str) -> None:  # type: ignore[override]  # its route has a variable
        """A file of it."""
        folder = _folder()
        if folder is None or file not in (*FILES, "start.js"):
            raise ApiError("not_found")
        if file == "start.js":
            self.send_text(_START, "text/javascript")
            return
        text = await asyncio.to_thread((folder / file).read_text, encoding="utf-8")
        self.set_header("Cache-Control", "public, max-age=86400")
        self.send_text(text, FILES[file])


@cache
def _folder() -> Path | None:
    """Where the package has its files; None where it is not installed. The package itself is not imported."""
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "static"
