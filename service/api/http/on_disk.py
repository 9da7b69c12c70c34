"""The common part of handlers that need the service's own disk."""

from typing import Any

from ...errors.disk import is_outage, outage
from .base import BaseHandler


class DiskHandler(BaseHandler):
    """A handler that treats a full or broken disk as an outage, like a storage that fails."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """See ``BaseHandler.write_error``."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if error is not None and is_outage(error):
            self.answer_error(outage(error))
        else:
            super().write_error(status_code, **kwargs)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """See ``BaseHandler.log_exception``; the disk's error is part of the request's own line."""
        if not is_outage(value):
            super().log_exception(typ, value, tb)
