"""The cases of the kit's suites, each with the promise of the contract that it tests."""

import inspect
import re
from collections.abc import Iterable, Iterator
from textwrap import fill
from typing import Final

from lading.plugins.testing import (
    Cost,
    FetcherSuite,
    Flaw,
    HttpFetcherSuite,
    Outage,
    ProcessorSuite,
    StorageBackendSuite,
    Trouble,
    TypeDetectorSuite,
)

WIDTH: Final = 98
SUITES: Final = (FetcherSuite, HttpFetcherSuite, TypeDetectorSuite, ProcessorSuite, StorageBackendSuite)
PREFIX: Final = "test_"


def cases() -> str:
    """The part, in Markdown."""
    return "\n\n".join("\n\n".join(_suite(suite)) for suite in SUITES)


def flaws() -> str:
    """The flaws of origins, in Markdown."""
    return _told(Flaw)


def costs() -> str:
    """The costs of files for detectors, in Markdown."""
    return _told(Cost)


def outages() -> str:
    """The outages of what plugins need, in Markdown."""
    return _told(Outage)


def troubles() -> str:
    """The troubles of storages, in Markdown."""
    return _told(Trouble)


def _told(kinds: Iterable[Flaw | Cost | Outage | Trouble]) -> str:
    return "\n".join(
        fill(f"- `{kind}`: {kind.told}", WIDTH, subsequent_indent="  ", break_on_hyphens=False) for kind in kinds
    )


def _suite(suite: type) -> Iterator[str]:
    yield f"### `{suite.__name__}`"
    inherited = {name for other in SUITES if other is not suite and issubclass(suite, other) for name in dir(other)}
    if inherited:
        parents = [f"`{other.__name__}`" for other in SUITES if other is not suite and issubclass(suite, other)]
        yield f"All cases of {' and '.join(parents)}, and these:"
    for group in suite.__mro__[1:]:
        names = [name for name in vars(group) if name.startswith(PREFIX) and name not in inherited]
        if names and not any(group is other for other in SUITES):
            yield _group(group, names)


def _group(group: type, names: list[str]) -> str:
    module = inspect.getmodule(group)
    about = inspect.cleandoc((module and module.__doc__) or "").partition("\n")[0]
    title = re.sub(r"^.*?: | \(``.*``\)", "", about)
    items = [fill(f"- {_line(group, name)}", WIDTH, subsequent_indent="  ", break_on_hyphens=False) for name in names]
    title = title.replace("``", "`")
    return f"{title[:1].upper()}{title[1:]}\n\n" + "\n".join(items)


def _line(group: type, name: str) -> str:
    """The case with the first paragraph of its docstring."""
    text = inspect.cleandoc(getattr(group, name).__doc__).partition("\n\n")[0]
    return f"`{name}`: {' '.join(text.replace('``', '`').split())}"
