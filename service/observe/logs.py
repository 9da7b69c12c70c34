"""Logs: structured, one line for each event, through the standard library's logging to standard error.

Libraries log the same way. Unprintable characters are escaped, so that data from strangers can neither forge a line nor
move a terminal's cursor. Tracebacks show places, but no variables, since these hold tokens, headers and urls.
"""

import logging
import sys
import threading
import traceback
from typing import Final, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
STEPS: Final[tuple[Processor, ...]] = (
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
)
"""From an event to a record of the standard library's logging."""

_LIBRARIES_OF_CLOUDS: Final = (
    "azure",
    "boto3",
    "botocore",
    "google",
    "httpcore",
    "httpx",
    "msal",
    "requests",
    "s3transfer",
    "urllib3",
)


def configure(level: str, log_format: Literal["auto", "console", "json"], stream: TextIO = sys.stderr) -> bool:
    """Send every log line of the process to ``stream``.

    Args:
        level: the lowest level that is shown, such as ``info``.
        log_format: ``json`` for machines, ``console`` for people; ``auto`` is ``console`` on a terminal only.
        stream: receives the lines.

    Returns:
        whether the lines are JSON.
    """
    json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        json_formatter()
        if json
        else _formatter(
            _escape,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_write_traceback),
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    general = logging.getLogger("tornado.general")
    general.setLevel(logging.INFO)
    general.filters[:] = [_without_content]
    # The driver logs each failed check of a server with its traceback; the caller of the driver logs the failure
    # anyway.
    logging.getLogger("pymongo").setLevel(logging.CRITICAL)
    # At debug level the clouds' libraries log whole requests, with the tokens that sign them. At info level some log
    # each request, for which Lading has lines of its own.
    for library in _LIBRARIES_OF_CLOUDS:
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.configure(
        processors=STEPS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return json


def json_formatter() -> logging.Formatter:
    """Formats records as JSON."""
    return _formatter(
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(),
    )


def _formatter(*rendering: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _drop_none, *rendering],
    )


def log_uncaught(caught: threading.ExceptHookArgs) -> None:
    """Log what ended a thread, which Python would print as plain lines: a ``threading.excepthook``."""
    if issubclass(caught.exc_type, SystemExit):
        return
    name = caught.thread.name if caught.thread is not None else None
    error = caught.exc_value or caught.exc_type()
    logging.getLogger(__name__).error("a thread failed: %s", name, exc_info=error)


def set_level(level: str) -> None:
    """Show lines of this level, such as ``info``, and higher ones."""
    logging.getLogger().setLevel(level.upper())


def _without_content(record: logging.LogRecord) -> bool:
    """Keep Tornado's errors of connections, and the senders of invalid HTTP, but not the sent bytes.

    A request that cannot be parsed has no log line of its own.
    """
    if str(record.msg).startswith("Malformed HTTP message") and isinstance(record.args, tuple) and record.args:
        record.msg, record.args = "malformed request from %s", record.args[:1]
        return True
    return record.levelno >= logging.ERROR


def _drop_none(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out fields without a value."""
    return {name: value for name, value in event.items() if value is not None}


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape unprintable characters; JSON does so by itself."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback below its line, each line marked as part of it: the text of an exception may contain line
    breaks.
    """
    text = "".join(traceback.format_exception(*exc_info))
    stream.writelines(f"\n  | {_printable(line)}" for line in text.splitlines())


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
