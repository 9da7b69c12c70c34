"""``lading queue retry`` and ``lading queue cancel``."""

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from ...documents.queue import Entry
from ...imports.bulk import MOST, Act, Narrowing, Tally
from ...observe.audit.actions import Action
from ..common import config_option
from .scope import Command, audited_queue, code_option, host_option, issuer_option, number_of, on_queue, since_option

REPORT_EVERY: Final = 1000
MEANWHILE: Final = frozenset({"not_retryable", "not_cancellable", "not_found"})
"""Refusals of imports that somebody else was quicker to change, which is no failure of the command."""
_DONE: Final = {Act.RETRY: "retried", Act.CANCEL: "cancelled"}

_ACTIONS: Final = {Act.RETRY: Action.QUEUE_RETRIED, Act.CANCEL: Action.QUEUE_CANCELLED}

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def _options(command: Command) -> Command:
    for option in (yes_option, issuer_option, host_option, code_option, config_option):
        command = option(command)
    return command


@click.command("retry")
@_options
@since_option("Only imports that failed since then: 90s, 15m, 4h, 30d.")
def retry_command(
    config: Path | None, code: str | None, host: str | None, issuer_id: str | None, yes: bool, within: timedelta | None
) -> None:
    """Retry failed imports.

    Prints how many imports it would retry, and asks. Each import is queued again with all of its attempts, as if its
    client had retried it. Imports of an issuer whose share of the backlog is used up are left
    out. Exit status 1 if imports were refused.
    """
    _act(Act.RETRY, config, Narrowing.of(issuer_id, host, code, within), yes)


@click.command("cancel")
@_options
@since_option("Only imports that came, or began to run, since then: 90s, 15m, 4h, 30d.")
def cancel_command(
    config: Path | None, code: str | None, host: str | None, issuer_id: str | None, yes: bool, within: timedelta | None
) -> None:
    """Cancel imports that are queued, running or waiting.

    Prints how many imports it would cancel, and asks. Workers end the attempts at cancelled imports within seconds.
    Exit status 1 if imports were refused.
    """
    _act(Act.CANCEL, config, Narrowing.of(issuer_id, host, code, within), yes)


def _act(act: Act, config: Path | None, narrowing: Narrowing, yes: bool) -> None:
    chosen = on_queue(config, lambda bulk: bulk.choose(act, narrowing.selection))
    if not chosen:
        click.echo(f"no import to {act}")
        return
    click.echo(_told(chosen))
    if len(chosen) == MOST:
        click.echo(f"Note: one command takes {MOST} imports; run it again for the rest.", err=True)
    # The documents are closed meanwhile: nobody knows how long the answer takes.
    if not yes:
        click.confirm(f"{act.capitalize()} {number_of(len(chosen))}?", abort=True)
    with audited_queue(config, _ACTIONS[act], **narrowing.object) as event:
        tally = on_queue(config, lambda bulk: bulk.run(act, chosen, _reporting(len(chosen))))
        event.facts["imports"] = tally.done
    click.echo(_summed_up(act, tally, len(chosen)))
    if tally.refused.keys() - MEANWHILE:
        sys.exit(1)


def _told(chosen: Sequence[Entry]) -> str:
    """How many there are of each state, and of how many issuers and hosts."""
    states = [entry.status.value for entry in chosen]
    counts = ", ".join(f"{states.count(status)} {status}" for status in dict.fromkeys(states))
    issuers, hosts = len({one.issuer_id for one in chosen}), len({one.host for one in chosen})
    return f"found: {counts}; issuers: {issuers}, hosts: {hosts}"


def _reporting(total: int) -> Callable[[Tally], None]:
    """A line of progress now and then."""

    def report(tally: Tally) -> None:
        number = tally.done + sum(tally.refused.values())
        if number % REPORT_EVERY == 0 and number < total:
            click.echo(f"{number} of {number_of(total)}", err=True)

    return report


def _summed_up(act: Act, tally: Tally, total: int) -> str:
    parts = [f"{_DONE[act]}: {tally.done}"]
    changed = sum(tally.refused[code] for code in MEANWHILE)
    parts += [f"changed meanwhile: {changed}"] if changed else []
    parts += [f"{code}: {tally.refused[code]}" for code in sorted(tally.refused.keys() - MEANWHILE)]
    left = total - tally.done - sum(tally.refused.values())
    parts += [f"left: {left}"] if left else []
    return "; ".join(parts)
