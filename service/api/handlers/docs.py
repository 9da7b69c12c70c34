"""``/openapi.json`` and ``/docs``: the description of the API, for programs and for people.

The page is Swagger UI, from the files of the package ``mkdocs-swagger-ui-tag`` (``pip install 'lading[docs]'``), which
needs no web framework. Nothing is loaded from another host, and the page says so to the browser (Content Security
Policy Level 3).
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ...errors.catalogue import ApiError
from ..http.base import BaseHandler
from ..openapi.document import Description

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "swagger-ui-bundle.js": ("javascripts", "text/javascript"),
    "swagger-ui.css": ("stylesheets", "text/css"),
}
"""The served files of the package, with their folder and media type; other files are not served."""
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

    api: Description

    async def get(self) -> None:
        """Answer with OpenAPI 3.1, or with 304 if the client has it already (RFC 9110 section 13.1.2)."""
        description = self.api
        for name in ("Pragma", "Expires"):
            self.clear_header(name)
        self.set_header("Cache-Control", "no-cache")  # clients may keep it, and must revalidate it
        self.set_header("ETag", description.etag)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        if self.check_etag_header():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            self.finish()
            return
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(description.payload)


class DocsHandler(BaseHandler):
    """The description for people."""

    async def get(self) -> None:
        """Answer with a page that renders the description."""
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
    """The files of the page."""

    async def get(self, file: str) -> None:  # type: ignore[override]  # its route has a variable
        """Answer with a file."""
        folder = _folder()
        if folder is None or file not in (*FILES, "start.js"):
            raise ApiError("not_found")
        if file == "start.js":
            self.send_text(_START, "text/javascript")
            return
        place, media_type = FILES[file]
        text = await asyncio.to_thread((folder / place / file).read_text, encoding="utf-8")
        for name in ("Pragma", "Expires"):
            self.clear_header(name)
        self.set_header("Cache-Control", "public, max-age=86400")
        self.send_text(text, media_type)


@cache
def _folder() -> Path | None:
    """The folder of the package's files; None if it is not installed. The package itself is not imported."""
    spec = find_spec("mkdocs_swagger_ui_tag")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "swagger-ui"
