"""Logs: structured, one line per event, through the standard library's logging to standard error.

Also what libraries log goes this way. The renderer escapes values, so that data from strangers cannot forge a line.
"""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

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
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_none,
                *((structlog.processors.dict_tracebacks,) if json else ()),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Tornado reports every malformed request and every connection reset; the request lines say what matters.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
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


def _drop_none(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out fields that say nothing."""
    return {name: value for name, value in event.items() if value is not None}
