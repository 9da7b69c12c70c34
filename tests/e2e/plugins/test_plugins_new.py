"""``lading plugins new``: what it writes installs with pip, works in the service, and passes the kit."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.plugins.testing import images
from lading.service.cli.plugins.new import CREATED, MAX_NAME, NETWORK
from tests.support.plugins.distributions import AUTHORS_PYTEST
from tests.support.servers.processes import HttpClient, ServiceProcess, lading
from tests.support.servers.service import CONF, token

ROOT = Path(__file__).parents[3]
LONG_NAME = "-".join(["harbour"] * 5)
WRITTEN = {
    "README.md",
    "pyproject.toml",
    "setup.py",
    "tests/test_conformance.py",
    *(f"lading_harbour/{name}.py" for name in ("__init__", "suite")),
    "lading_harbour/py.typed",
}


SCAFFOLDS = (*CREATED, NETWORK)


def new(folder: Path, scaffold: str, name: str) -> Path:
    """The folder of a new package below the folder."""
    kind = ("fetcher", "--network") if scaffold == NETWORK else (scaffold,)
    done = lading("plugins", "new", *kind, name, "--directory", str(folder), cwd=folder.parent)
    assert (done.status, done.stderr) == (0, "")
    package = folder / f"lading-{name.removeprefix('lading-')}"
    assert f"cd {package}" in done.stdout
    return package


def run(*command: str, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def install(site: Path, *packages: Path) -> None:
    """Install them as pip does, without what they need: that is here. What is built is not left in the packages."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(site))
    run("-m", "pip", "install", *options, *map(str, packages), cwd=site.parent)


@pytest.fixture
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for all kinds and processes, in turn: most of the time goes to the packages that each of them imports."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "mypy"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / "cache"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "scaffold",
    [pytest.param(one, marks=[] if one == NETWORK else [pytest.mark.long_form]) for one in SCAFFOLDS],
)
def test_a_new_package_installs_and_passes_its_tests(scaffold: str, tmp_path: Path) -> None:
    kind = "fetcher" if scaffold == NETWORK else scaffold
    name = "lading-harbour" if kind == "detector" else "harbour"  # which is the same
    package, site = new(tmp_path / "new", scaffold, name), tmp_path / "site"
    written = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    helpers = {"detector": set[str](), NETWORK: {"origin"}}.get(scaffold, {"threads"})
    assert written == WRITTEN | {f"lading_harbour/{module}.py" for module in {kind, *helpers}}
    run("-m", "ruff", "check", "--no-cache", ".", cwd=package)
    run("-m", "ruff", "format", "--no-cache", "--check", ".", cwd=package)
    install(site, package)
    # -P: the installed package is tested, not the one in the folder.
    arguments = ("-P", "-m", "pytest", "-q", "--basetemp", str(tmp_path / "places"))
    printed = run(*arguments, cwd=package, PYTHONPATH=str(site), PYTHONDONTWRITEBYTECODE="1", **AUTHORS_PYTEST)
    assert " passed" in printed
    listed = lading("plugins", cwd=tmp_path, environ={"PYTHONPATH": str(site)}).stdout
    assert "  harbour, lading-harbour 0.1.0, contract 1" in listed
    assert "BROKEN" not in listed
    if kind in ("detector", "processor"):  # whose cases are the fewest
        checked = lading("plugins", "check", "harbour", cwd=tmp_path, environ={"PYTHONPATH": str(site)})
        assert checked.status == 0, checked.stdout + checked.stderr


@pytest.mark.long_form
@pytest.mark.parametrize("scaffold", SCAFFOLDS)
def test_a_new_package_has_types(scaffold: str, tmp_path: Path, mypy_cache: Path) -> None:
    package = new(tmp_path / "new", scaffold, "harbour")
    run("-m", "mypy", "--cache-dir", str(mypy_cache), cwd=package, MYPYPATH=str(ROOT))


@pytest.mark.long_form
@pytest.mark.timeout(120)
def test_an_image_passes_through_four_new_plugins(tmp_path: Path) -> None:
    site, pictures, kept = tmp_path / "site", tmp_path / "pictures", tmp_path / "kept"
    install(site, *(new(tmp_path / "new", kind, f"my-{kind}") for kind in CREATED))
    data = struct.pack(">8sII", b"farbfeld", 3, 2) + bytes(48)
    pictures.mkdir()
    (pictures / "ship 1.ff").write_bytes(data)
    png = images.sample("png").data
    (pictures / "tail.png").write_bytes(png + b"a tail")
    environ = {
        "PYTHONPATH": str(site),
        "LADING_SERVICE__LOG_FORMAT": "json",
        "LADING_FETCH__PLUGINS": "http, my-fetcher",
        "LADING_FETCH_MY_FETCHER__FOLDER": str(pictures),
        "LADING_DETECT__PLUGINS": "pillow, my-detector",
        "LADING_PROCESS__PLUGINS": "my-processor",
        "LADING_STORAGE__BACKEND": "my-storage",
        "LADING_STORAGE_MY_STORAGE__PATH": str(kept),
    }
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    with ServiceProcess(("serve", "--port", "0", "--config", "service.conf"), environ, cwd=tmp_path) as service:
        client = HttpClient(service.wait_for("listening")["address"], token())
        document = client.final(client.accepted("album_id=imported_album&url=my-fetcher:///ship%25201.ff"))
        assert document["status"] == "done", document
        assert document["import_type"] == "my-fetcher"
        assert (document["image"]["format"], document["image"]["width"]) == ("FARBFELD", 3)
        assert [path.read_bytes() for path in kept.iterdir()] == [data]
        cut = client.final(client.accepted("album_id=imported_album&url=my-fetcher:///tail.png"))
        assert cut["image"]["facts"] == {"my-processor": {"cut_bytes": len(b"a tail")}}
        assert {path.read_bytes() for path in kept.iterdir()} == {data, png}
        assert service.terminate() == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("scaffold", SCAFFOLDS)
def test_long_names_are_no_fault_of_style(scaffold: str, tmp_path: Path) -> None:
    assert len(LONG_NAME) <= MAX_NAME
    run("-m", "ruff", "check", "--no-cache", ".", cwd=new(tmp_path / "new", scaffold, LONG_NAME))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("storage", "My_Store", "did you mean 'my-store'?"),
        ("storage", "../store", "did you mean 'store'?"),
        ("storage", "", "is not a name"),
        ("storage", "3d", "did you mean 'd'?"),
        ("storage", "a--b", "did you mean 'a-b'?"),
        ("storage", "a-", "did you mean 'a'?"),
        ("storage", "größe", "is not a name"),
        ("storage", "x" * (MAX_NAME + 1), "is not a name"),
        ("storage", "local", "a storage 'local' is already installed, by lading"),
        ("fetcher", "lading-http", "a fetcher 'http' is already installed"),
        ("fetcher", "https", "the fetcher 'http' already serves the scheme 'https'"),
    ],
)
def test_a_name_that_cannot_be(kind: str, name: str, says: str, tmp_path: Path) -> None:
    done = lading("plugins", "new", kind, name, cwd=tmp_path)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_a_fetcher_is_of_the_network(tmp_path: Path) -> None:
    done = lading("plugins", "new", "storage", "harbour", "--network", cwd=tmp_path)
    assert (done.status, done.stdout) == (1, "")
    assert "only a fetcher has --network" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind(tmp_path: Path) -> None:
    done = lading("plugins", "new", "detect", "harbour", cwd=tmp_path)
    assert done.status == 2
    assert "'storage', 'fetcher', 'detector', 'processor'" in done.stderr


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    package = new(tmp_path, "detector", "harbour")
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    (package / "setup.py").write_text("mine")
    done = lading("plugins", "new", "storage", "harbour", cwd=tmp_path)
    assert (done.status, done.stdout) == (1, "")
    assert "lading-harbour already exists" in done.stderr
    assert {path for path in package.rglob("*") if path.is_file()} == set(before)
    assert (package / "setup.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = lading("plugins", "new", "storage", "harbour", "--directory", "file/below", cwd=tmp_path)
    assert (done.status, done.stdout) == (1, "")
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr
