"""The process in which ``lading plugins check`` runs a suite: ``python -m lading.service.cli.plugins.check_child``.

Standard input has its task as one line of JSON (``Task``). It loads the configuration itself, so no option travels.
Standard output carries one JSON document a line, which ``check`` reads; all other output goes to standard error. When
standard input ends, the parent is gone, and this process ends with every process of its group.
"""

import json
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final, TextIO

from ...config import SettingsError
from .suites import CheckRefused, Task, find_suite, load_suite, subject

_MAX_TEXT: Final = 4000
_UNSUPPORTED: Final = "unsupported: "
_MODULE: Final = """\
from __main__ import CHECK

TestSuite = CHECK.suite()
pytest_plugins = CHECK.pytest_plugins
"""
"""The module that pytest collects: it loads the suite on demand, so that pytest rewrites the suite's assertions."""
_KIT: Final = "lading.plugins.testing"
_PLUGIN: Final = "lading.pytest_plugin"
"""Lading's plugin of pytest, which runs the cases."""


class Check:
    """One run of a plugin's suite, and a pytest plugin that reports each case.

    Args:
        task: the run.
        pytest: the module.
        output: gets the messages.

    Raises:
        CheckRefused, SettingsError: the suite cannot be run.
    """

    def __init__(self, task: Task, pytest: Any, output: TextIO) -> None:
        self._subject = subject(task.kind, task.name, task.config, os.environ)
        self._point = find_suite(self._subject.plugin)
        self._folder = task.folder
        self._pytest = pytest
        self._output = output
        self._suite: type[Any] = type(self)
        self._refused = False
        self._ends: dict[str, tuple[str, str]] = {}

    def run(self) -> None:
        """Run it. Blocks until all cases have ended."""
        # Settings of its own: those of the operator's working directory do not count.
        (self._folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (self._folder / "test_suite.py").write_text(_MODULE, encoding="utf-8")
        options = {
            "-c": self._folder / "pytest.ini",
            "--rootdir": self._folder,
            "--confcutdir": self._folder,
            "--basetemp": self._folder / "places",
        }
        arguments = [str(word) for option in options.items() for word in option]
        arguments += ["-p", "no:cacheprovider", "-p", _PLUGIN]
        self._pytest.main([*arguments, str(self._folder / "test_suite.py")], plugins=[self])
        self.tell(event="ended")

    @property
    def pytest_plugins(self) -> Any:
        """The plugins of pytest that the suite's module names, as pytest reads that name in a module of tests."""
        return getattr(sys.modules[self._point.module], "pytest_plugins", ())

    def suite(self) -> type[Any]:
        """The suite with the options of ``service.conf``.

        Raises:
            CheckRefused: see ``load_suite``.
        """
        self._pytest.register_assert_rewrite(_KIT, self._point.module)
        try:
            self._suite = load_suite(self._point)
        except CheckRefused as error:
            self._refused = True
            self.tell(event="refused", text=str(error))
            raise
        return type(self._suite.__name__, (self._suite,), {"configured": self._subject.options, "made": self._made()})

    def tell(self, **news: object) -> None:
        """Write one message."""
        self._output.write(json.dumps(news) + "\n")
        self._output.flush()

    def _made(self) -> Any:
        """``Suite.made``, which also checks whether the suite tests the plugin that declares it."""
        suite, expected, told = self._suite, self._subject.plugin.cls, set[type]()

        def made(instance: Any, plugin: Any) -> Any:
            cls = type(plugin)
            if cls not in told and not isinstance(plugin, expected):
                told.add(cls)
                self.tell(event="refused", text=f"the suite tests another class, {cls.__module__}:{cls.__qualname__}")
            return suite.made(instance, plugin)

        return made

    # --- what pytest calls --------------------------------------------------------------------------------------------

    def pytest_collectreport(self, report: Any) -> None:
        """Pytest has collected a folder, a module or a class."""
        if report.failed and not self._refused:
            self.tell(event="refused", text=f"pytest cannot collect the suite:\n{report.longreprtext[-_MAX_TEXT:]}")

    def pytest_collection_finish(self, session: Any) -> None:
        """All cases are known."""
        self.tell(event="collected", cases=len(session.items))

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Pytest, or a plugin of it, failed."""
        self.tell(event="refused", text=f"pytest failed:\n{str(excrepr)[-_MAX_TEXT:]}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case begins."""
        self.tell(event="started", case=_case(nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Set-up, call or tear-down of a case ended; the first that does not pass counts."""
        case = _case(report.nodeid)
        if not report.passed:
            self._ends.setdefault(case, _skipped(report) if report.skipped else ("failed", _failure(report)))
        if report.when == "teardown":
            outcome, text = self._ends.pop(case, ("passed", ""))
            self.tell(event="case", case=case, group=self._group(case), outcome=outcome, text=text)

    def _group(self, case: str) -> str:
        """The part of the kit with the case: ``saving`` for ``SavingCases``, ``own`` for an author's case."""
        name = case.partition("[")[0]
        owner = next((base for base in self._suite.__mro__ if name in vars(base)), self._suite)
        if not owner.__module__.startswith("lading.plugins.testing."):
            return "own"
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"(Cases|Suite)$", "", owner.__name__)).lower()


def _case(nodeid: str) -> str:
    """The name of a node's case; its parameters may contain anything."""
    path, bracket, parameters = nodeid.partition("[")
    return path.rpartition("::")[2] + bracket + parameters


def _skipped(report: Any) -> tuple[str, str]:
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext)
    reason = reason.removeprefix("Skipped: ")
    if reason.startswith(_UNSUPPORTED):
        return "unsupported", reason.removeprefix(_UNSUPPORTED)[:_MAX_TEXT]
    return "skipped", reason[:_MAX_TEXT]


def _failure(report: Any) -> str:
    """The failed assertion, and its place."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longreprtext)[-_MAX_TEXT:]
    at = "" if report.when == "call" else f" ({report.when} of the case)"
    return f"{crash.message[:_MAX_TEXT]}\nat {Path(crash.path).name}:{crash.lineno}{at}"


# --- the process ------------------------------------------------------------------------------------------------------


def _end_with_parent() -> None:
    """Kill this process's group when standard input ends."""
    watched = os.dup(0)  # pytest replaces file 0

    def watch() -> None:
        while os.read(watched, 1024):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _reserved_output() -> TextIO:
    """Keep standard output for the messages: from now on all other output goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


def _pytest() -> Any:
    """The module, without what the environment would add to its arguments, or which plugins of pytest are installed.

    Raises:
        CheckRefused: pytest is not installed.
    """
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    # What other plugins do has no part in the contract, and some take longer to import than the suite to run.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        import pytest  # noqa: PLC0415 - not installed with the service
    except ImportError as error:
        raise CheckRefused("pytest is not installed, which runs the suites: pip install 'lading[testing]'") from error
    return pytest


def _start() -> Check | None:
    """The task on standard input; None if it cannot be run, which this reports."""
    output = _reserved_output()
    task = Task.parse(sys.stdin.readline())
    _end_with_parent()
    # PYTHONPATH may name the folder of a plugin. At the end of the path it replaces no other module.
    sys.path += [folder for folder in task.installed if folder not in sys.path]
    try:
        return Check(task, _pytest(), output)
    except (CheckRefused, SettingsError) as error:
        output.write(json.dumps({"event": "refused", "text": str(error)}) + "\n")
        output.flush()
        return None


if __name__ == "__main__":
    CHECK = _start()
    if CHECK is not None:
        CHECK.run()
