"""CORS-preflight requests: a browser asks whether a page of another origin may send a request."""

from collections.abc import Sequence

from ..http.base import BaseHandler
from ..http.cors import ALLOWED_HEADERS, MAX_AGE
from ..resources import Common


class CorsPreflightHandler(BaseHandler):
    """The permissions of pages for a path."""

    def initialize(self, common: Common, api: object, methods: Sequence[str]) -> None:  # type: ignore[override]  # one more
        """Keep the common resources, and the methods of the path."""
        super().initialize(common, api)
        self._methods = methods

    async def options(self, *_: str) -> None:
        """Answer with the permissions; an origin that is not allowed gets none."""
        if "Access-Control-Allow-Origin" in self.kept_headers:
            self.set_header("Access-Control-Allow-Methods", ", ".join(self._methods))
            self.set_header("Access-Control-Allow-Headers", ALLOWED_HEADERS)
            self.set_header("Access-Control-Max-Age", str(MAX_AGE))
        self.answer_nothing()
