"""How commands that work on many images show their progress, and how they end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from ...models import Import
from ...storages.sweep import GIVE_UP_AFTER, Failed, Outcome

REPORT_EVERY = 1000
"""Images between two lines of progress, if there is no bar on a terminal."""


@dataclass
class Progress:
    """The results so far, shown as they come.

    Attributes:
        total: number of images.
        show: called after each image.
        before_a_line: ends a bar before a line.
    """

    total: int
    show: Callable[["Progress"], None]
    before_a_line: str = ""
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    failed: int = 0

    @property
    def done(self) -> int:
        """Number of images with a result."""
        return sum(self.outcomes.values()) + self.failed

    def report(self, document: Import, outcome: Outcome | Failed) -> None:
        """Count an image; print a failure at once."""
        if isinstance(outcome, Outcome):
            self.outcomes[outcome] += 1
        else:
            self.failed += 1
            line = f"failed: image {document.image_id} of import {document.id}: {outcome}"
            click.echo(f"{self.before_a_line}{line}", err=True)
        self.show(self)

    def end(self, what: str, *, finished: bool) -> None:
        """Print a summary that begins with ``what``.

        Raises:
            ClickException: the work was given up.
            SystemExit: 1, if an image failed.
        """
        copied, found, skipped = (self.outcomes[one] for one in Outcome)
        click.echo(
            f"{what}: {copied + found} ({copied} copied, {found} already there); "
            f"skipped, deleted or moved meanwhile: {skipped}; failed: {self.failed}"
        )
        if not finished:
            raise click.ClickException(f"gave up after {GIVE_UP_AFTER} failures in a row; run the command again later")
        if self.failed:
            sys.exit(1)


@contextmanager
def shown(total: int, label: str) -> Iterator[Progress]:
    """A bar if standard error is a terminal, otherwise a line now and then."""
    if not sys.stderr.isatty():
        yield Progress(total, _show_line)
        return
    with click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True) as bar:
        yield Progress(total, lambda _progress: bar.update(1), before_a_line="\n")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar if standard error is a terminal; it is given the done and the total parts, in any thread."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as shown_bar:

        def show(done: int, total: int) -> None:
            shown_bar.length = max(total, 1)
            shown_bar.update(done - shown_bar.pos)

        yield show


def _show_line(progress: Progress) -> None:
    if progress.done % REPORT_EVERY == 0:
        click.echo(f"{progress.done} of {progress.total} images", err=True)
