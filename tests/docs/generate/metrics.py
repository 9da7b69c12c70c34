"""Every metric: its help, type and labels from the list of families, and those of processes from the library."""

import os
from collections.abc import Iterator
from textwrap import fill
from typing import Final

from lading.service.observe.metrics.exposition import process_metrics
from lading.service.observe.metrics.families import FAMILIES, Family

WIDTH: Final = 96


def families() -> str:
    """The part, in Markdown."""
    return "\n\n".join([*map(_lading, FAMILIES), *_processes()])


def _lading(family: Family) -> str:
    facts = [family.kind.value.capitalize(), _labels(family.labels)]
    if family.buckets:
        facts.append(f"Buckets: {', '.join(f'{bound:g}' for bound in family.buckets)}.")
    facts[0] += "."
    return _entry(family.name, family.help, facts)


def _labels(labels: tuple[str, ...]) -> str:
    return f"Labels: {', '.join(f'`{label}`' for label in labels)}." if labels else "No labels."


def _processes() -> Iterator[str]:
    for metric in sorted(process_metrics({"1": os.getpid()}), key=lambda one: one.name):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        yield _entry(name, metric.documentation, [f"{metric.type.capitalize()}.", _labels(("process",))])


def _entry(name: str, text: str, facts: list[str]) -> str:
    described = fill(text, WIDTH, break_on_hyphens=False).replace("\n", "\n    ")
    known = fill(" ".join(facts), WIDTH, break_on_hyphens=False).replace("\n", "\n    ")
    return f"`{name}` {{ #{name} }}\n:   {described}\n\n    {known}"
