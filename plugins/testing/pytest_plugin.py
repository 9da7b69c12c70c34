"""The pytest plugin of the kit: runs the cases of suites, has fixtures for authors, and prints what is unsupported.

It is active wherever Lading is installed, so it imports nothing of weight before it is asked for something.
"""

import inspect
import sys
from typing import Any

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a suite's case; leave every other test to others."""
    kit = sys.modules.get("plugins.testing.suite")
    if kit is None or not isinstance(pyfuncitem.instance, kit.Suite):
        return None
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    kit.run_case(pyfuncitem.instance, pyfuncitem.obj(**arguments))
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print, once for each suite, what its plugin does not support, and why."""
    found: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        _, marker, reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "").partition(
            "unsupported: "
        )
        if marker:
            line = f"{report.nodeid.rpartition('::')[0]}: {reason}"
            found[line] = found.get(line, 0) + 1
    if found:
        terminalreporter.section("unsupported by plugins")
        for line, count in sorted(found.items()):
            terminalreporter.line(f"{line} ({count} cases skipped)")
