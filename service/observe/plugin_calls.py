"""Logs calls of plugins: each call at level debug, and each plugin that blocks the event loop."""

import logging

import structlog

from ...plugins.host.record import Observer, PluginCall
from ...plugins.host.watch import Blocking
from .metrics.meter import NO_METER, Meter

log = structlog.get_logger(__name__)
_std = logging.getLogger(__name__)


def log_call(call: PluginCall) -> None:
    """An observer (``lading.plugins.host.record.Observer``)."""
    if _std.isEnabledFor(logging.DEBUG):  # a fetch makes a call for each piece
        log.debug(
            "plugin call",
            kind=call.kind,
            plugin=call.plugin,
            operation=call.operation,
            outcome=call.outcome,
            seconds=round(call.seconds, 6),
        )


def observer_for(meter: Meter) -> Observer:
    """An observer that logs each call and tells the meter of it."""
    if meter is NO_METER:
        return log_call
    measure, is_logged = meter.plugin_call, _std.isEnabledFor

    def observe(call: PluginCall) -> None:
        measure(call)
        if is_logged(logging.DEBUG):
            log_call(call)

    return observe


def log_blocking(blocking: Blocking) -> None:
    """Log a plugin that blocks the event loop, with the place. Called in a thread of its own."""
    log.warning(
        "a plugin blocks the event loop",
        plugin=blocking.plugin,
        milliseconds=blocking.milliseconds,
        frames=list(blocking.frames),
    )
