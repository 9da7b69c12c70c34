"""``docs/reference/errors.md`` against the code: every code with its status or retryability, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import TypeVar

import lading.service.api.app  # noqa: F401  # whatever module has error classes of its own, they are part of the tree
from lading.plugins.errors import PluginError, SourceRefused
from lading.service.errors.catalogue import CATALOGUE, DELIVERY_FAILURES, IMPORT_FAILURES, INTERNAL
from lading.service.errors.params import ParamsError

Error = TypeVar("Error", bound=Exception)

ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")


def tree(root: type[Error]) -> Iterator[type[Error]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("lading."):
            yield from tree(child)


def documented() -> dict[str, str]:
    rows = {row[0]: row[1] for row in ROW.findall(TEXT)}
    assert len(rows) == len(ROW.findall(TEXT)) == TEXT.count("\n| `"), "a code twice, or a row that cannot be read"
    return rows


def existing() -> dict[str, str]:
    codes = {code: str(spec.status.value) for code, spec in CATALOGUE.items()}
    for params_error in tree(ParamsError):
        if params_error is not ParamsError:
            codes[params_error.code] = str(params_error.status.value)
    for error in tree(PluginError):
        if issubclass(error, SourceRefused):
            codes[error.code] = "422"
        else:
            codes[error.code] = "yes" if error.retryable else "no"
    codes |= {failure.code: "yes" if failure.retryable else "no" for failure in IMPORT_FAILURES}
    codes |= {failure.code: "yes" if failure.retryable else "no" for failure in DELIVERY_FAILURES}
    assert INTERNAL.code in codes
    return codes


def test_the_table_has_every_code_and_no_other() -> None:
    assert documented() == existing()


def test_every_row_has_a_cause_and_a_remedy_in_sentences() -> None:
    sentences = re.compile(r"[A-Z`].*[.]")
    for code, _, cause, remedy in ROW.findall(TEXT):
        for text in (cause, remedy):
            assert sentences.fullmatch(text), code
            assert len(text.split()) >= 3, code
            assert not re.search(r"\b(?:anew|mend|those that)\b|^None[.]|^See\b|; operators", text, re.IGNORECASE), code


def test_codes_are_unique_and_texts_are_sentences() -> None:
    errors = list(tree(PluginError))
    # A test that imports a module anew defines its classes anew: those are no second error. A class that inherits its
    # code is the same error.
    owners = {f"{error.__module__}.{error.__qualname__}": error.code for error in errors if "code" in vars(error)}
    assert len(set(owners.values())) == len(owners)
    for error in errors:
        assert error.public_text.endswith("."), error
        facts = {name: 1 for _, name, _, _ in Formatter().parse(error.public_text) if name}
        assert error("", retry_after=None, **facts).detail
