"""The systemd units of ``deploy/systemd``: systemd understands them, and Lading works within what they allow."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers.processes import LADING
from tests.support.servers.programs import program

UNITS: Final = Path(__file__).parents[3] / "deploy" / "systemd"
EXPOSURE: Final = 2.0
OF_ROOT: Final = {"fchown"}
"""Calls that SQLite makes as root alone, which the units' user is not."""


def analyzed(*arguments: str | Path) -> str:
    """What ``systemd-analyze`` prints."""
    command = [program("systemd-analyze", "systemd"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("unit", ["lading.service", "lading-worker@.service"])
def test_a_unit_has_no_mistake_and_little_exposure(unit: str, tmp_path: Path) -> None:
    text = (UNITS / unit).read_text(encoding="utf-8")
    place = tmp_path / unit
    place.write_text(text.replace("/opt/lading/bin/lading", shutil.which("true") or ""), encoding="utf-8")
    verified = subprocess.run(
        [program("systemd-analyze", "systemd"), "verify", place], capture_output=True, text=True, check=True
    )
    # Of other units of the machine it may complain.
    assert [line for line in verified.stderr.splitlines() if unit.partition(".")[0].rstrip("@") in line] == []
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", analyzed("security", "--offline=yes", place))
    assert found is not None
    assert float(found[1]) <= EXPOSURE


def test_both_units_are_restricted_alike() -> None:
    def restrictions(unit: str) -> list[str]:
        text = (UNITS / unit).read_text(encoding="utf-8").partition("OOMPolicy=")[2]
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    assert restrictions("lading.service") == restrictions("lading-worker@.service")


def allowed_calls() -> set[str]:
    """The system calls that ``SystemCallFilter`` of the units lets through."""
    sets: dict[str, list[str]] = {}
    for line in analyzed("syscall-filter").splitlines():
        name = line.strip()
        if name.startswith("@") and not line.startswith(" "):
            members = sets.setdefault(name, [])
        elif name and not name.startswith("#") and sets:
            members.append(name)

    def calls(name: str) -> set[str]:
        return {call for one in sets[name] for call in (calls(one) if one.startswith("@") else {one})}

    text = (UNITS / "lading.service").read_text(encoding="utf-8")
    assert re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE) == ["@system-service", "~@privileged"]
    return calls("@system-service") - calls("@privileged")


@pytest.mark.long_form
def test_an_import_makes_no_call_that_the_units_forbid(tmp_path: Path) -> None:
    command = [program("strace", "strace"), "-f", "-qq", "-o", "calls", *LADING, "demo", "--once"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    lines = (tmp_path / "calls").read_text(encoding="utf-8", errors="replace").splitlines()
    made = {found[1] for line in lines if (found := re.match(r"\d+ +([a-z_0-9]+)\(", line))}
    assert {"execve", "fdatasync", "accept4"} <= made
    assert made - allowed_calls() - (OF_ROOT if os.geteuid() == 0 else set()) == set()
