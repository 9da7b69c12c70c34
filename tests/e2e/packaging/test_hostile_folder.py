"""Neither the folder in which Lading is started nor ``PYTHONPATH`` decides what its processes import (CWE-427)."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.installed import Environment, build_wheels
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, environment, token

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PACKAGES = ("service", "plugins", "backends", "lading", "tests")
MODULES = (
    *("json", "asyncio", "socket", "struct", "sitecustomize", "usercustomize", "site", "runpy", "zlib"),
    *("PIL", "tornado", "uvloop", "click", "pydantic", "structlog", "aiofiles", "pytest", "conftest"),
)
LEAVES_A_MARKER = """\
import os
descriptor = os.open({markers!r} + "/%d.%s" % (os.getpid(), __name__), os.O_CREAT | os.O_WRONLY)
os.close(descriptor)
"""
STANDS_IN = """
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
_spec = PathFinder.find_spec(__name__, [folder for folder in sys.path if folder != os.path.dirname(__file__)])
if _spec is not None:
    sys.modules[__name__] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[__name__])
"""
"""What follows the marker where the import is to work: the module that would have been imported otherwise."""


class Trap:
    """A folder of modules that each leave a marker when imported: the number of the process, and their name."""

    def __init__(self, place: Path, *, works: bool = False) -> None:
        self.folder, self._markers = place / "hostile", place / "markers"
        self.folder.mkdir()
        self._markers.mkdir()
        self._code = LEAVES_A_MARKER.format(markers=str(self._markers)) + (STANDS_IN if works else "")

    def set(self, packages: tuple[str, ...], modules: tuple[str, ...]) -> None:
        for name in packages:
            (self.folder / name).mkdir()
            for file in ("__init__.py", "__main__.py"):
                (self.folder / name / file).write_text(self._code)
        for name in modules:
            (self.folder / f"{name}.py").write_text(self._code)

    def caught(self, but: int = 0) -> list[str]:
        """The markers that were left by any process but this one."""
        return sorted(path.name for path in self._markers.iterdir() if not path.name.startswith(f"{but}."))

    def caught_by(self, number: int) -> list[str]:
        """The markers that were left by the process."""
        return sorted(path.name for path in self._markers.iterdir() if path.name.startswith(f"{number}."))


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A trap for whoever starts in its folder."""
    trap = Trap(tmp_path)
    trap.set(PACKAGES, MODULES)
    return trap


def import_an_image(service: ServiceProcess, *, supervised: bool = False) -> None:
    """An import through all of it: its image is decoded by a child, and saved by another."""
    address = service.wait_for("supervising" if supervised else "listening")["address"]
    if supervised:
        service.wait_for("a child process serves")
    client = HttpClient(address, token())
    form = f"album_id=imported_album&url={PIXEL.replace('+', '%2B')}"
    # On a busy machine the supervisor may still answer requests in place of its children.
    while (answer := client.post(form))[1].get("code") == "service_restarting":
        time.sleep(0.1)
    assert answer[0] == 200, answer
    document = client.final(answer[1]["id"])
    assert document["status"] == "done", document


def settings(folder: Path, **overrides: str) -> dict[str, str]:
    return environment(
        folder,
        LADING_CONFIG=str(folder / "service.conf"),
        LADING_SERVICE__LOG_FORMAT="json",
        PYTHONPATH="",
        **overrides,
    )


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder for what services write, with a configuration."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "service.conf").write_text(CONF)
    return folder


@pytest.mark.long_form
@pytest.mark.timeout(300)
def test_the_demo(installed: Environment, trap: Trap, work: Path) -> None:
    printed = installed.lading("demo", "--once", "--port", "0", "--directory", str(work / "demo"), cwd=trap.folder)
    assert "identical to the origin's" in printed
    assert trap.caught() == []


@pytest.mark.timeout(300)
def test_processes_and_a_worker(installed: Environment, trap: Trap, work: Path) -> None:
    arguments = ("serve", "--processes", "2")
    with ServiceProcess(arguments, settings(work), trap.folder, [str(installed.python)]) as service:
        import_an_image(service, supervised=True)
        assert service.terminate() == 0
    assert trap.caught() == []
    with (
        ServiceProcess(
            ("serve",), settings(work, LADING_WORKER__ENABLED="false"), trap.folder, [str(installed.python)]
        ) as service,
        ServiceProcess(("worker",), settings(work), trap.folder, [str(installed.python)]),
    ):
        import_an_image(service)
    assert trap.caught() == []


@pytest.mark.long_form
@pytest.mark.timeout(300)
def test_a_new_plugin_its_check_and_its_tests(installed: Environment, trap: Trap, work: Path) -> None:
    installed.lading("plugins", "new", "detector", "trapped", "--directory", str(work), cwd=trap.folder)
    assert trap.caught() == []
    package = work / "lading-trapped"
    installed.install("--no-deps", *map(str, build_wheels([package], work / "wheels")))
    card = installed.lading("plugins", "check", "trapped", cwd=trap.folder)
    assert "passed: " in card
    printed = installed.run(
        "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests"), cwd=trap.folder
    )
    assert " passed" in printed
    assert trap.caught() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--processes", "2"),
        pytest.param(("serve",), marks=pytest.mark.long_form),
        pytest.param(("plugins", "check", "data"), marks=pytest.mark.long_form),
        pytest.param(("plugins", "check", "pillow"), marks=pytest.mark.long_form),
    ],
    ids=" ".join,
)
def test_children_import_nothing_from_pythonpath(
    installed: Environment, tmp_path: Path, work: Path, arguments: tuple[str, ...]
) -> None:
    trap = Trap(tmp_path, works=True)
    trap.set((), ("json", "logging", "sitecustomize"))
    environ = {**settings(work), "PYTHONPATH": str(trap.folder)}
    if arguments[0] == "serve":
        with ServiceProcess(arguments, environ, work, [str(installed.python)]) as service:
            import_an_image(service, supervised="--processes" in arguments)
            parent = service.process.pid
            assert service.terminate() == 0
    else:
        command = (str(installed.python.with_name("lading")), *arguments)
        with subprocess.Popen(
            command, cwd=work, env={**installed.environ, **environ}, stdout=subprocess.PIPE, text=True
        ) as process:
            card, _ = process.communicate()
            parent = process.pid
        assert process.returncode == 0, card
    assert trap.caught_by(parent) != []  # which shows that the trap is set
    assert trap.caught(but=parent) == []


@pytest.mark.timeout(120)
def test_a_project_may_have_a_folder_of_plugins(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "plugins" / "errors.py").write_text("MINE = True\n")
    (tmp_path / "test_mine.py").write_text(
        "import sys\n"
        "from plugins import MINE\n"
        "from plugins.errors import MINE as ALSO_MINE\n"
        "\n"
        "def test_mine():\n"
        "    assert MINE and ALSO_MINE\n"
        "    assert 'lading.pytest_plugin' in sys.modules\n"
        "    assert [name for name in sys.modules if name.startswith(('lading.plugins', 'lading.service'))] == []\n"
    )
    printed = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "1 passed" in printed
