"""``lading queue pause`` and ``lading queue resume``."""

from collections.abc import Sequence
from pathlib import Path

import click

from ...documents import TooManyRecords
from ...documents.queue import Selection
from ...imports.bulk import Bulk
from ...models import Status
from ...models.clock import SystemClock, truncate_to_milliseconds
from ...observe.audit.actions import Action
from ...work.orders.pauses import MOST, Pause, Pauses
from ..common import config_option
from .scope import Command, audited_queue, host_option, issuer_option, moment, on_queue


def _scope(command: Command) -> Command:
    for option in (host_option, issuer_option, config_option):
        command = option(command)
    return command


@click.command("pause")
@_scope
def pause_command(config: Path | None, issuer_id: str | None, host: str | None) -> None:
    """Let no more imports begin.

    Without an option the whole queue pauses. Every worker obeys within 3 seconds, also workers that start later.
    Running imports go on. Clients may still post imports, which count towards [worker] backlog, and send bytes.
    """
    pause = _pause(issuer_id, host)

    async def add(bulk: Bulk) -> tuple[bool, int]:
        try:
            is_new = await Pauses(bulk.store).add(pause, truncate_to_milliseconds(SystemClock().now()))
        except TooManyRecords as error:
            raise click.ClickException(f"there are {MOST} pauses already; resume some of them") from error
        summary = await bulk.store.queue.summary(Selection(Status.QUEUED, issuer_id, host))
        return is_new, sum(group.count for group in summary.groups)

    with audited_queue(config, Action.QUEUE_PAUSED, issuer_id=issuer_id, host=host):
        is_new, queued = on_queue(config, add)
    click.echo(f"paused{'' if is_new else ' already'}: {pause}; queued imports: {queued}")


@click.command("resume")
@_scope
def resume_command(config: Path | None, issuer_id: str | None, host: str | None) -> None:
    """End a pause.

    Give the option that the pause was set with: without an option, only the pause of the whole queue ends. Prints the
    pauses that remain.
    """
    pause = _pause(issuer_id, host)

    async def lift(bulk: Bulk) -> tuple[bool, Sequence[Pause]]:
        pauses = Pauses(bulk.store)
        return await pauses.lift(pause), await pauses.all()

    with audited_queue(config, Action.QUEUE_RESUMED, issuer_id=issuer_id, host=host):
        was_paused, others = on_queue(config, lift)
    click.echo(f"{'resumed' if was_paused else 'not paused'}: {pause}")
    for one in others:
        click.echo(f"still paused: {one} since {moment(one.since)}")


def _pause(issuer_id: str | None, host: str | None) -> Pause:
    if issuer_id is not None and host is not None:
        raise click.UsageError("give --issuer or --host, not both: each is a pause of its own")
    return Pause(issuer_id, host)
