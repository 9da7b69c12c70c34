"""What browsers ask before a page of another origin may send something (CORS-preflight requests)."""

from collections.abc import Sequence

from ..http.base import BaseHandler
from ..http.cors import ALLOWED_HEADERS, MAX_AGE
from ..resources import Common


class CorsPreflightHandler(BaseHandler):
    """What a page may send to some path."""

    def initialize(self, common: Common, api: object, methods: Sequence[str]) -> None:  # type: ignore[override]  # one more
        """Take what handlers work with, and the methods of the path."""
        super().initialize(common, api)
        self._methods = methods

    async def options(self, *_: str) -> None:
        """Say it; to an origin that is not allowed, say nothing of it."""
        if "Access-Control-Allow-Origin" in self.kept_headers:
            self.set_header("Access-Control-Allow-Methods", ", ".join(self._methods))
            self.set_header("Access-Control-Allow-Headers", ALLOWED_HEADERS)
            self.set_header("Access-Control-Max-Age", str(MAX_AGE))
        self.answer_nothing()
