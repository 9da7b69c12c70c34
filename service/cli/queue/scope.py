"""The common parts of the commands on the queue: the documents, the options that choose imports, and ages."""

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ...errors.hints import HINTS
from ...imports.bulk import Bulk, parse_code, parse_host
from ...models.clock import SystemClock, parse_duration
from ...observe.audit.actions import Action
from ...observe.audit.recording import Event
from ...runtime.operating import open_bulk
from ..common import audited_command, check_kept, checked, parse_issuer_id, run_on_parts, settings_from

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@contextmanager
def audited_queue(config: Path | None, action: Action, **of: str | None) -> Iterator[Event]:
    """See ``audited_command``."""
    with audited_command(settings_from(config, os.environ), action, **of) as event:
        yield event


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


def _codes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in HINTS if code.startswith(incomplete)]


issuer_option = click.option(
    "--issuer", "issuer_id", metavar="ID", callback=checked(parse_issuer_id), help="Only imports of this issuer."
)
host_option = click.option(
    "--host", metavar="HOST", callback=checked(parse_host), help="Only imports whose url names this host."
)
code_option = click.option(
    "--code",
    metavar="CODE",
    callback=checked(parse_code),
    shell_complete=_codes,
    help="Only imports whose last attempt failed with this error code.",
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


def number_of(imports: int) -> str:
    """The number with its noun."""
    return f"{imports} import{'' if imports == 1 else 's'}"


def name(text: str | None) -> str:
    """A name from outside in a table: a dash where there is none, and no character that moves a terminal's cursor."""
    if not text:
        return "-"
    return text if text.isprintable() else ascii(text)
