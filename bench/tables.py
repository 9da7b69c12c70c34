"""The report as Markdown."""

from collections.abc import Mapping, Sequence

from bench.rows import Findings, Measure, Row, Spread, Table

HEAD = ("what", "rounds", "value", "min to max", "reference", "ratio", "min to max", "goal", "reached", "succeeded")
INTRODUCTION = (
    "Made by the measuring rig; see README.md beside this file for what the figures mean and what they do not."
    " A value is the median of the rounds; a ratio is the median of the rounds' ratios to the reference, which was"
    " measured in turn with it. Goals are there to be beaten: one that was missed says so."
)
SIGNS = {True: "yes", False: "**missed**", None: ""}


def report(title: str, facts: Mapping[str, str], sections: Sequence[Findings], plot: str = "") -> str:
    """The whole report.

    Args:
        title: of the report.
        facts: of the machine, the versions and the run.
        sections: in the order in which they are shown.
        plot: name of the file of the plot, or empty.
    """
    lines = [f"# {title}", ""]
    lines += [INTRODUCTION, ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {_plain(text)} |" for name, text in facts.items()), ""]
    goals = [row for found in sections for table in found.tables for row in table.rows if row.goal is not None]
    if goals:
        reached = sum(row.is_reached is True for row in goals)
        missed = sum(row.is_reached is False for row in goals)
        lines += [f"Goals: {reached} reached, {missed} missed, {len(goals) - reached - missed} not measured.", ""]
    if plot:
        lines += [f"![All ratios with their spreads, and the goals]({plot})", ""]
    for found in sections:
        lines += _section(found)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(found: Findings) -> list[str]:
    lines = [f"## {found.section}", ""]
    lines += [f"{found.began}, {found.seconds:.0f} s" + (f", commit {found.commit}" if found.commit else "") + ".", ""]
    if found.failure:
        lines += [f"**Not measured**: {_plain(found.failure)}", ""]
    for table in found.tables:
        lines += [*_table(table), ""]
    return lines


def _table(table: Table) -> list[str]:
    lines = [f"### {table.title}", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|---|--:|--:|--:|---|--:|--:|--:|---|--:|"]
    lines += ["| " + " | ".join(_plain(cell) for cell in cells(row)) + " |" for row in table.rows]
    return [*lines, "", table.text]


def cells(row: Row) -> tuple[str, ...]:
    """The cells of a row, as text."""
    value, ratio = row.value, row.ratio
    return (
        row.name + (f" ({row.note})" if row.note else ""),
        str(len(row.values)) if row.values else "",
        f"{number(value.median)} {row.unit}" if value else "not measured",
        _range(value),
        row.reference,
        f"{ratio.median:.2f}" if ratio else "",
        f"{ratio.low:.2f} to {ratio.high:.2f}" if ratio else "",
        _goal(row),
        SIGNS[row.is_reached] if row.goal is None or row.is_reached is not None else "not known",
        _success(row),
    )


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    sign = "≥" if row.higher_is_better else "≤"
    if row.goal.measure is Measure.RATIO:
        return f"{sign} {row.goal.bound:.2f}"
    if row.goal.measure is Measure.VALUE:
        return f"{sign} {number(row.goal.bound)} {row.unit}"
    judged = row.judged
    return f"{sign} reference + {number(row.goal.bound)} {row.unit}" + (
        f" (+ {number(judged.median)})" if judged else ""
    )


def _success(row: Row) -> str:
    if row.success is None:
        return ""
    failed = row.tried - row.succeeded
    return "100 %" if not failed else f"{100 * row.success:.2f} % ({failed:,} of {row.tried:,} failed)"


def _range(spread: Spread | None) -> str:
    return f"{number(spread.low)} to {number(spread.high)}" if spread else ""


def number(value: float) -> str:
    """A number with three significant digits or more."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _plain(text: str) -> str:
    """Text that cannot break a table."""
    return text.replace("|", "\\|").replace("\n", " ")
