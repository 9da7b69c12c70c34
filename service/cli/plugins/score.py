"""The score card of ``lading plugins check``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from pydantic import SecretBytes, SecretStr

from ....plugins.options import PluginOptions
from ..output.tables import table
from .catalogue import NOUNS, written
from .check import OUTCOMES, Case, Score
from .suites import Subject

_MOST_CAUSES: Final = 20
_MOST_NAMES: Final = 5
_MOST_LINES: Final = 12


def heading(about: Subject, suite: str) -> Iterator[str]:
    """The plugin under test, with its suite and its options.

    Args:
        about: the plugin.
        suite: the target of the suite's entry point.
    """
    plugin = about.plugin
    yield f"plugin:  {NOUNS[plugin.kind]} {plugin.name} of {plugin.distribution} {plugin.version}"
    yield f"class:   {plugin.cls.__module__}:{plugin.cls.__qualname__}"
    yield f"suite:   {suite}"
    yield f"options: {_options(about)}"


def _options(about: Subject) -> str:
    section = f"[{about.plugin.kind}.{about.plugin.name}]"
    if about.options is None:
        return f"the suite's own, since {section} is missing and has required options"
    if not about.written:
        return f"the defaults of {section}"
    values = {name: getattr(about.options, field) for field, name in _names(about.options).items()}
    told = (f"{name} = {written(values[name])}" for name in about.written if name in values)
    return f"{section} {', '.join(told)}"


def _names(options: PluginOptions) -> dict[str, str]:
    return {name: field.alias or name for name, field in type(options).model_fields.items()}


def card(score: Score, options: PluginOptions | None) -> Iterator[str]:
    """The score by groups, the unsupported and skipped cases, and the first failures.

    Args:
        score: of a finished run.
        options: their secrets are removed from the text.
    """
    secrets = _secrets(options)
    yield ""
    yield from table(_rows(score.cases))
    for title, outcome in (("unsupported", "unsupported"), ("skipped, with unknown result", "skipped")):
        reasons = Counter(case.text for case in score.cases if case.outcome == outcome)
        if reasons:
            yield ""
            yield f"{title}:"
            yield from (f"  {_clean(reason, secrets)} ({_cases(number)})" for reason, number in reasons.items())
    yield from _failures([case for case in score.cases if case.outcome == "failed"], secrets)
    for refusal in score.refusals:
        yield ""
        yield _clean(refusal, secrets)
    yield ""
    yield _verdict(score)


def _failures(cases: Sequence[Case], secrets: Sequence[str]) -> Iterator[str]:
    """The failed assertions, each with its cases."""
    causes: dict[str, list[str]] = {}
    for case in cases:
        causes.setdefault(case.text, []).append(f"{case.group}: {case.name}")
    for text, names in islice(causes.items(), _MOST_CAUSES):
        yield ""
        yield from (f"FAILED {name}" for name in names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            yield f"FAILED {len(names) - _MOST_NAMES} more cases for the same reason"
        lines = _clean(text, secrets).splitlines()
        shown = lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 2], "...", lines[-1]]
        yield from (f"    {line}" for line in shown)
    if len(causes) > _MOST_CAUSES:
        yield ""
        yield f"and {len(causes) - _MOST_CAUSES} more reasons of failures"


def _rows(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """One row for each group and one for all; an outcome without a case has no column."""
    total = Counter(case.outcome for case in cases)
    shown = [outcome for outcome in OUTCOMES if outcome in ("passed", "failed") or total[outcome]]
    groups = {group: Counter(case.outcome for case in cases if case.group == group) for group in _groups(cases)}
    rows = [("GROUP", "CASES", *(outcome.upper() for outcome in shown))]
    for name, counts in {**groups, "all": total}.items():
        rows.append((name, str(counts.total()), *(str(counts[outcome] or "-") for outcome in shown)))
    return rows


def _groups(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(case.group for case in cases))


def _verdict(score: Score) -> str:
    number, time = _cases(len(score.cases)), f"{score.seconds:.0f} s"
    if score.all_passed:
        return f"passed: {number} in {time}"
    bad = sum(case.outcome not in ("passed", "unsupported") for case in score.cases)
    return f"not passed: {bad} of {number} in {time}"


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number} cases"


def _secrets(options: PluginOptions | None) -> list[str]:
    values = [] if options is None else [getattr(options, name) for name in type(options).model_fields]
    secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr | SecretBytes)]
    return [text if isinstance(text, str) else text.decode(errors="replace") for text in secrets if text]


def _clean(text: str, secrets: Sequence[str]) -> str:
    """The text without secrets and without control sequences for a terminal."""
    for secret in secrets:
        text = text.replace(secret, "**********")
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
