"""The trace of each attempt at an import, as its document keeps it and ``GET /api/v1/imports/{id}/trace`` shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ...plugins.errors import PluginError
from ...plugins.host.record import Trace
from ..errors.hints import HINTS
from ..models import Import
from ..models.clock import truncate_to_milliseconds

MAX_ATTEMPTS: Final = 10
"""Number of attempts that are kept, the last ones."""


def traced(
    before: Import, after: Import, trace: Trace, began_at: datetime, seconds: float, error: PluginError | None
) -> tuple[Mapping[str, Any], ...]:
    """The trace of an import with another attempt.

    Args:
        before: the import at the beginning of the attempt.
        after: the import at its end.
        trace: the phases of the attempt.
        began_at: when the attempt began.
        seconds: its duration.
        error: the plugin's error, if a plugin failed.
    """
    failure = None if after.error is None or after.error is before.error else after.error
    entry = {
        "began_at": truncate_to_milliseconds(began_at).isoformat(timespec="milliseconds"),
        "milliseconds": _milliseconds(seconds),
        "status": after.status.value,
        "phases": [
            {"hop": phase.hop, "name": phase.name, "milliseconds": _milliseconds(phase.seconds)}
            for phase in trace.phases
        ],
        "redirects": list(trace.redirects),
        "plugin": None if error is None else error.plugin,
        "error": None if failure is None else {"code": failure.code, "detail": failure.detail},
    }
    return (*before.trace, entry)[-MAX_ATTEMPTS:]


def trace_document(document: Import) -> dict[str, Any]:
    """The answer to ``GET /api/v1/imports/{id}/trace``: errors have a hint."""
    return {
        "id": document.id,
        "status": document.status.value,
        "trace_id": document.trace_id,
        "attempts": [_hinted(attempt) for attempt in document.trace],
    }


def hint_of(code: str) -> str | None:
    """The remedy for an error; None for codes of third parties' plugins."""
    return HINTS.get(code)


def _hinted(attempt: Mapping[str, Any]) -> dict[str, Any]:
    error = attempt["error"]
    return {**attempt, "error": None if error is None else {**error, "hint": hint_of(error["code"])}}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
