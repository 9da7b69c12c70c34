"""The common parts of the commands on the queue: the documents, the options that choose imports, and ages."""

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ....plugins.net.urls import host_of
from ...documents.queue import Selection
from ...errors.hints import HINTS
from ...imports.bulk import Bulk
from ...models import Status
from ...models.clock import SystemClock
from ...runtime.operating import open_bulk
from ..common import check_kept, checked, parse_duration, parse_issuer_id, run_on_parts, settings_from

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def on_queue(config: Path | None, use: Callable[[Bulk], Coroutine[Any, Any, Result]]) -> Result:
    """Open the documents for one use. Blocks.

    Raises:
        ClickException: the configuration has faults, the documents are in memory, or the database does not work.
    """
    settings = settings_from(config, os.environ)
    check_kept(settings)

    async def call() -> Result:
        async with open_bulk(settings, SystemClock()) as bulk:
            return await use(bulk)

    return run_on_parts(call())


# --- which imports ----------------------------------------------------------------------------------------------------


def parse_host(text: str) -> str:
    """A host as documents have it: lower case, and without characters that a name server does not know.

    Raises:
        ValueError: the text is no host.
    """
    host = host_of(f"http://{text}/")
    if not host or not text.isprintable() or set(text) & set("/?#@\\ ") or (":" in text and not text.startswith("[")):
        raise ValueError(f"{text!r} is not a host such as images.example.org, without a scheme, a port and a path")
    return host


def _codes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in HINTS if code.startswith(incomplete)]


issuer_option = click.option(
    "--issuer", "issuer_id", metavar="ID", callback=checked(parse_issuer_id), help="Only imports of this issuer."
)
host_option = click.option(
    "--host", metavar="HOST", callback=checked(parse_host), help="Only imports whose url names this host."
)
code_option = click.option(
    "--code", metavar="CODE", shell_complete=_codes, help="Only imports whose last attempt failed with this error code."
)


def since_option(meaning: str, default: str | None = None) -> Callable[[Command], Command]:
    """The option ``--since``: a duration before now."""
    return click.option(
        "--since",
        "within",
        metavar="DURATION",
        callback=checked(parse_duration),
        default=default,
        show_default=default is not None,
        help=meaning,
    )


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What the options say of the imports."""

    issuer_id: str | None
    host: str | None
    code: str | None
    since: datetime | None

    @classmethod
    def of(cls, issuer_id: str | None, host: str | None, code: str | None, within: timedelta | None) -> "Narrowing":
        """From the values of the options, now."""
        return cls(issuer_id, host, code, None if within is None else SystemClock().now() - within)

    def selection(self, status: Status) -> Selection:
        """The same for the imports of one state."""
        return Selection(status, self.issuer_id, self.host, self.code, self.since)


# --- output -----------------------------------------------------------------------------------------------------------


def age(since: datetime | None, now: datetime) -> str:
    """A time span in its largest unit: ``45s``, ``3m``, ``2h``, ``5d``; a dash for None."""
    if since is None:
        return "-"
    seconds = max(0, int((now - since).total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size}{unit}"


def moment(at: datetime | None) -> str:
    """A moment in whole seconds, UTC; a dash for None."""
    return "-" if at is None else at.isoformat(timespec="seconds")


def name(text: str | None) -> str:
    """A name from outside in a table: a dash where there is none, and no character that moves a terminal's cursor."""
    if not text:
        return "-"
    return text if text.isprintable() else ascii(text)
