"""Logs: structured, one line per event, through the standard library's logging to standard error.

Also what libraries log goes this way. Whatever cannot be printed is escaped, so that data from strangers can neither
forge a line nor move a terminal's cursor. Tracebacks show where, but no variables: those hold tokens, headers and urls.
"""

import logging
import sys
import traceback
from typing import Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: str, log_format: Literal["auto", "console", "json"], stream: TextIO = sys.stderr) -> None:
    """Send every log line of the process to ``stream``.

    Args:
        level: least level that is shown, such as ``info``.
        log_format: ``json`` for machines, ``console`` for people; ``auto`` is ``console`` on a terminal only.
        stream: where the lines go.
    """
    json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    rendering: tuple[Processor, ...] = (
        (
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        )
        if json
        else (
            _escape,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_write_traceback),
        )
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_none,
                *rendering,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    general = logging.getLogger("tornado.general")
    general.setLevel(logging.INFO)
    general.filters[:] = [_without_content]
    # The driver logs each failed look at a server with its traceback; those who asked for something say what failed.
    logging.getLogger("pymongo").setLevel(logging.CRITICAL)
    # What the clouds' libraries tell at debug level holds whole requests, with the tokens that they are signed with.
    for library in ("botocore", "google", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_content(record: logging.LogRecord) -> bool:
    """Of what Tornado says of connections, keep the errors, and who sent no valid HTTP, but nothing of what was sent.

    A request that cannot be read has no line of its own.
    """
    if str(record.msg).startswith("Malformed HTTP message") and isinstance(record.args, tuple) and record.args:
        record.msg, record.args = "malformed request from %s", record.args[:1]
        return True
    return record.levelno >= logging.ERROR


def _drop_none(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out fields that say nothing."""
    return {name: value for name, value in event.items() if value is not None}


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape what cannot be printed; JSON does so by itself."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback below its line, each line of it marked as part of it: the text of an exception may have any."""
    text = "".join(traceback.format_exception(*exc_info))
    stream.writelines(f"\n  | {_printable(line)}" for line in text.splitlines())


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
