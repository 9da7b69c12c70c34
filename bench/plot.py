"""One plot of all ratios: the same results give the same file, byte for byte, with the same matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from bench.rows import Findings, Row

MET, MISSED, OTHER = "#1b7837", "#b2182b", "#636363"


def draw(sections: Sequence[Findings], path: Path) -> bool:
    """Write an SVG; False where there is nothing to be drawn, or no matplotlib."""
    rows = [
        (table.title, row)
        for found in sections
        for table in found.tables
        if table.is_drawn
        for row in table.rows
        if row.ratio is not None and row.name != row.reference
    ]
    if not rows:
        return False
    try:
        import matplotlib as mpl  # noqa: PLC0415  # an extra, and slow to load: only who draws needs it
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return False
    with mpl.rc_context(
        {"svg.hashsalt": "lading", "svg.fonttype": "none", "font.size": 8, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(10, 1.4 + 0.24 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        labels = []
        for place, (title, row) in enumerate(rows):
            _draw_row(axes, -place, row)
            labels.append(f"{title}: {row.name}")
        axes.axvline(1, color="black", linewidth=0.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_yticks([-place for place in range(len(rows))], labels)
        axes.set_ylim(-len(rows) + 0.4, 0.6)
        axes.grid(axis="x", which="both", linewidth=0.3)
        axes.set_xlabel(
            "ratio to the reference: median and spread of the rounds; the bar is the goal, the arrow the better side"
        )
        axes.set_title("Green: goal reached. Red: missed. Grey: no goal.", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # matplotlib ends some lines with spaces, which version control would complain of.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    return True


def _draw_row(axes: object, height: float, row: Row) -> None:
    ratio = row.ratio
    if ratio is None:
        return
    colour = {True: MET, False: MISSED, None: OTHER}[row.is_reached]
    below, above = ratio.median - ratio.low, ratio.high - ratio.median
    draw_on: object = axes
    draw_on.errorbar(  # type: ignore[attr-defined]  # matplotlib's own types cost a second import
        ratio.median, height, xerr=[[below], [above]], fmt="o", color=colour, markersize=4, capsize=2, linewidth=1
    )
    goal = row.goal_as_ratio
    if goal is not None:
        marker = "$\\rightarrow$" if row.higher_is_better else "$\\leftarrow$"
        draw_on.plot([goal], [height], marker="|", color="black", markersize=10)  # type: ignore[attr-defined]
        draw_on.plot([goal], [height + 0.32], marker=marker, color="black", markersize=5, linewidth=0)  # type: ignore[attr-defined]
