"""What is published: an sdist that builds, and a wheel that takes one name."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import lading
from tests.support.installed import ROOT, Distributions, Environment, build_wheels, copy_of_the_tree
from tests.support.servers.processes import lading as lading_command

INFO = f"lading-{lading.__version__}.dist-info"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> "email.message.Message[str, str]":
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{INFO}/METADATA"))


def test_the_wheel_takes_one_name(distributions: Distributions) -> None:
    assert {PurePosixPath(name).parts[0] for name in names(distributions.wheel)} == {"lading", INFO}


def test_the_wheel_has_every_module_and_file_of_the_rooms(distributions: Distributions) -> None:
    written = {
        f"lading/{path.relative_to(ROOT)}"
        for room in ("service", "backends", "plugins", "client")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(written) > 200
    assert written - names(distributions.wheel) == set()


def test_a_wheel_of_the_tree_is_that_of_the_sdist(distributions: Distributions, tmp_path: Path) -> None:
    (wheel,) = build_wheels([copy_of_the_tree(tmp_path / "tree")], tmp_path / "wheels")
    assert names(wheel) == names(distributions.wheel)


def test_both_carry_service_conf_and_no_links(distributions: Distributions) -> None:
    conf = (ROOT / "service.conf").read_bytes()
    with zipfile.ZipFile(distributions.wheel) as archive:
        assert archive.read("lading/service.conf") == conf
    with tarfile.open(distributions.sdist) as source:
        assert [member.name for member in source.getmembers() if not (member.isfile() or member.isdir())] == []
        member = source.extractfile(f"lading-{lading.__version__}/lading/service.conf")
        assert member is not None
        assert member.read() == conf


def test_what_is_installed_prints_its_service_conf(installed: Environment) -> None:
    assert installed.lading("config") == (ROOT / "service.conf").read_text(encoding="utf-8")
    assert installed.lading("config", "--diff", environ={"LADING_SERVICE__PORT": "9000"}) == (
        "[service]\n# default: 8080\nport = 9000\n"
    )


def test_a_shell_completes_its_commands(installed: Environment) -> None:
    typed = {"_LADING_COMPLETE": "bash_complete", "COMP_WORDS": "lading sto", "COMP_CWORD": "1"}
    assert installed.lading(environ=typed) == "plain,storage\n"
    typed = {"_LADING_COMPLETE": "bash_complete", "COMP_WORDS": "lading config --di", "COMP_CWORD": "2"}
    assert installed.lading(environ=typed) == "plain,--diff\n"


def test_there_is_one_version(distributions: Distributions, installed: Environment, tmp_path: Path) -> None:
    places = [
        path.name for path in (ROOT / "setup.py", ROOT / "pyproject.toml") if lading.__version__ in path.read_text()
    ]
    assert places == []
    assert metadata(distributions.wheel)["Version"] == lading.__version__
    assert installed.lading("--version").strip() == f"lading, version {lading.__version__}"
    assert lading_command("--version", cwd=tmp_path).stdout.strip() == f"lading, version {lading.__version__}"


def test_the_extras_for_authors_and_clients_are_small(distributions: Distributions) -> None:
    needs = [str(need) for need in metadata(distributions.wheel).get_all("Requires-Dist", ())]
    extra = {
        name: {need for need in needs if f'extra == "{name}"' in need}
        for name in ("testing", "testing-clouds", "client")
    }
    named = {name: {re.split(r"[^\w.-]", need)[0] for need in found} for name, found in extra.items()}
    assert named["testing"] == {"pytest"}
    assert named["client"] == {"httpx", "rich"}
    assert named["testing-clouds"] == {"pytest", "moto", "botocore", "gcp-storage-emulator", "google-cloud-storage"}


def test_both_pass_the_check_of_an_index(distributions: Distributions) -> None:
    command = (
        sys.executable,
        "-P",
        "-m",
        "twine",
        "check",
        "--strict",
        str(distributions.sdist),
        str(distributions.wheel),
    )
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


@pytest.mark.parametrize("field", ["Home-page", "Project-URL", "Download-URL"])
def test_no_address_is_published(distributions: Distributions, field: str) -> None:
    assert metadata(distributions.wheel).get_all(field) is None
