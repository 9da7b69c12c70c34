"""Tables that commands print."""

from collections.abc import Iterator, Sequence

import click


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of equal length with aligned columns; the first row is the header."""
    for line in table(rows):
        click.echo(line)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of ``print_table``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
