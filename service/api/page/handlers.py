"""``/`` and ``/page``: the page and its files.

The page loads nothing from another host, runs no script and takes no style from its text, and no other site can show it
in a frame. It says so to the browser (Content Security Policy Level 3, Trusted Types).
"""

import asyncio
from http import HTTPStatus
from typing import Final

from ...errors.catalogue import ApiError
from ..http.base import BaseHandler
from ..resources import PageApi
from .files import PageFile, page_files

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
)
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class _FileHandler(BaseHandler):
    """The common part of the page and its files."""

    api: PageApi

    def check_enabled(self) -> None:
        """Check that the page is to be served.

        Raises:
            ApiError: ``not_found``.
        """
        if not self.api.enabled:
            raise ApiError("not_found")

    def send_file(self, file: PageFile, etag: str, caching: str) -> None:
        """Finish with a file, or with 304 if the client has it already (RFC 9110 section 13.1.2)."""
        for name in ("Pragma", "Expires"):
            self.clear_header(name)
        for name, value in (*HEADERS, ("Cache-Control", caching), ("ETag", etag)):
            self.set_header(name, value)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        if self.check_etag_header():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            self.finish()
            return
        self.set_header("Content-Type", file.content_type)
        self.finish(file.content)


class PageHandler(_FileHandler):
    """The page."""

    async def get(self) -> None:
        """Answer a browser with the page. A program that asks for no HTML gets 404, as for any unknown path."""
        self.check_enabled()
        if "text/html" not in self.request.headers.get("Accept", "").lower():
            raise ApiError("not_found")
        files = await asyncio.to_thread(page_files)
        self.add_header("Vary", "Accept")
        self.send_file(files.index, f'"{files.version}"', "no-cache")


class PageFileHandler(_FileHandler):
    """A file of the page."""

    async def get(self, version: str, *path: str) -> None:
        """Answer with the file. A URL with another version, of another release, gets the file of this release, which
        the browser must not keep.
        """
        self.check_enabled()
        files = await asyncio.to_thread(page_files)
        file = files.files.get("/".join(path))
        if file is None:
            raise ApiError("not_found")
        self.send_file(file, f'"{files.version}"', _FOR_EVER if version == files.version else "no-cache")
