"""All generated parts, by the pages that they stand in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.docs.generate.audit import events
from tests.docs.generate.configuration import options
from tests.docs.generate.kit import cases, costs, flaws, outages, troubles
from tests.docs.generate.marks import filled
from tests.docs.generate.metrics import families
from tests.docs.generate.plugin_errors import plugin_errors

ROOT: Final = Path(__file__).parents[3]
REFERENCE: Final = ROOT / "docs" / "reference"
PARTS: Final[Mapping[Path, Mapping[str, Callable[[], str]]]] = {
    REFERENCE / "audit.md": {"events": events},
    REFERENCE / "configuration.md": {"options": options},
    REFERENCE / "kit.md": {"cases": cases, "costs": costs, "flaws": flaws, "outages": outages, "troubles": troubles},
    REFERENCE / "metrics.md": {"metrics": families},
    REFERENCE / "plugin-contracts.md": {"errors": plugin_errors},
}


def generated(page: Path) -> str:
    """The page with its generated parts as they are now."""
    return filled(page.read_text(encoding="utf-8"), {name: make() for name, make in PARTS[page].items()})
