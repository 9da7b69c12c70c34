"""``lading plugins``: what it tells of installed plugins, for people and for machines."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.host.registry import GROUPS, installed
from tests.support.plugins.distributions import FETCHER, Site
from tests.support.servers.processes import Finished, lading

STORAGE = """
    import enum
    from pathlib import Path
    from typing import Annotated, Literal
    from pydantic import Field, SecretStr
    from lading.plugins.capabilities import SupportsListing
    from lading.plugins.contracts import StorageBackend
    from lading.plugins.options import CommaSeparated, PathOption, PluginOptions

    print("a module may print")

    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    class Options(PluginOptions):
        bucket: str = Field(description="Where\\n    objects are kept.")
        key: SecretStr = Field(SecretStr("hush-hush"), description="A secret.")
        spare: SecretStr | None = Field(None, description="Another.")
        parts: int = Field(4, ge=1, le=64, description="Parts.")
        pause: float = Field(0.5, gt=0, lt=10, description="Pause.")
        fast: bool = Field(True, description="Speed.")
        hosts: Annotated[tuple[str, ...], CommaSeparated] = Field(("a", "b"), description="Hosts.")
        mode: Literal["one", "two"] = Field("two", description="Mode.")
        colour: Colour = Field(Colour.BLUE, description="Colour.")
        folder: PathOption = Field(Path("a/b"), description="Folder.")
        limit: int | None = Field(None, description="Limit.")
        made: list[int] = Field(default_factory=list, description="Made.")
        named: str = Field("x", alias="other", description="Alias.")

    class Probe(SupportsListing, StorageBackend):
        contract_version = 1
        Options = Options

        def __init__(self, options): ...
        async def save(self, key, chunks, metadata): ...
        def open(self, key, *, offset=0, length=None): ...
        async def delete(self, key): ...
        async def exists(self, key): ...
        async def ping(self): ...
        async def close(self): ...
        def list_objects(self, prefix=""): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory; ``site`` below it has a storage, a fetcher, and one that is broken."""
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    site.install(STORAGE, group="lading.storages")
    site.install(FETCHER, group="lading.fetchers", distribution="acme-fetcher")
    site.install("raise RuntimeError('half installed')", group="lading.storages", name="broken", distribution="torso")
    return tmp_path


def plugins(folder: Path, *arguments: str, **environ: str) -> Finished:
    return lading("plugins", *arguments, cwd=folder, environ={"PYTHONPATH": str(folder / "site"), **environ})


def entry(folder: Path, kind: str, name: str, **environ: str) -> dict[str, Any]:
    done = plugins(folder, "--json", **environ)
    assert (done.status, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["contract_version"] == 1
    (found,) = [one for one in document["plugins"] if (one["kind"], one["name"]) == (kind, name)]
    return dict(found)


def test_all_is_told_of_a_plugin(folder: Path) -> None:
    told = entry(folder, "storage", "probe")
    options = {option.pop("name"): option for option in told.pop("options")}
    module = told.pop("target").partition(":")[0]
    assert module.startswith("probe_")
    assert told == {
        "kind": "storage",
        "name": "probe",
        "distribution": "acme-probe",
        "version": "1.2",
        "configured": False,
        "contract_version": 1,
        "capabilities": ["listing"],
        "broken": None,
    }
    assert options["bucket"] == {
        "type": "text",
        "default": None,
        "required": True,
        "secret": False,
        "help": "Where objects are kept.",
    }
    assert options["key"] == {"type": "secret", "default": None, "required": False, "secret": True, "help": "A secret."}
    shown = {name: (option["type"], option["default"]) for name, option in options.items()}
    assert shown == {
        "bucket": ("text", None),
        "key": ("secret", None),
        "spare": ("secret", None),
        "parts": ("int from 1 to 64", "4"),
        "pause": ("float above 0 below 10", "0.5"),
        "fast": ("true | false", "true"),
        "hosts": ("list of text", "a, b"),
        "mode": ("one | two", "two"),
        "colour": ("red | blue", "blue"),
        "folder": ("path", "a/b"),
        "limit": ("int", ""),
        "made": ("list of int", ""),
        "other": ("text", "x"),
    }


def test_the_schemes_of_a_fetcher_are_what_it_can_do(folder: Path) -> None:
    assert entry(folder, "fetch", "http")["capabilities"] == ["schemes http, https", "explaining", "posting"]
    assert entry(folder, "fetch", "probe")["capabilities"] == ["schemes probe"]
    assert entry(folder, "detect", "pillow")["capabilities"] == ["early refusal", "formats", "thumbnails"]


def test_a_broken_plugin_is_shown_with_the_reason_and_hides_no_other(folder: Path) -> None:
    broken = entry(folder, "storage", "broken")
    assert (broken["distribution"], broken["contract_version"], broken["options"]) == ("torso", None, [])
    assert "RuntimeError: half installed" in broken["broken"]
    done = plugins(folder)
    assert (done.status, done.stderr) == (0, "")
    assert re.search(r"^  broken, torso 1\.2, BROKEN$", done.stdout, flags=re.MULTILINE)
    assert "half installed" in done.stdout
    assert re.search(r"^  probe, acme-probe 1\.2, contract 1, listing$", done.stdout, flags=re.MULTILINE)


def test_two_of_one_name_are_both_shown(folder: Path) -> None:
    Site(folder / "site").install(FETCHER, group="lading.fetchers", distribution="rival-probe")
    done = plugins(folder)
    assert "  probe, acme-fetcher 1.2, BROKEN" in done.stdout
    assert "  probe, rival-probe 1.2, BROKEN" in done.stdout


def test_what_is_configured_is_marked(folder: Path) -> None:
    (folder / "service.conf").write_text("[fetch]\nplugins = probe, http\n[storage]\nbackend = probe\n")
    done = plugins(folder, LADING_CONFIG="service.conf")
    marked = re.findall(r"^\* (\w+),", done.stdout, flags=re.MULTILINE)
    assert marked == ["probe", "http", "pillow", "probe"]
    assert plugins(folder, "--config", "service.conf").stdout == done.stdout


def test_the_list_is_for_people(folder: Path) -> None:
    printed = plugins(folder, COLUMNS="100").stdout
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 100
    assert "    bucket (required)  Where objects are kept. (text)" in lines
    assert "    key (secret)       A secret. (secret)" in lines
    assert "hush" not in printed
    assert "a module may print" not in printed
    for kind in GROUPS:
        for plugin in installed(kind):
            assert f"[{kind}.{plugin.name}]" in printed


@pytest.mark.sampled(2)
@pytest.mark.parametrize("columns", ["10", "60", "120", "400"])
def test_lines_fit_their_terminal_within_reason(folder: Path, columns: str) -> None:
    width = max(map(len, plugins(folder, COLUMNS=columns).stdout.splitlines()))
    assert width <= min(max(int(columns), 80), 120)


def test_a_configuration_with_faults_is_refused(folder: Path) -> None:
    (folder / "service.conf").write_text("[fetch]\nplugin = probe\n")
    done = plugins(folder, "--config", "service.conf")
    assert (done.status, done.stdout) == (1, "")
    assert "did you mean 'plugins'?" in done.stderr


def test_options_of_the_list_are_not_those_of_its_commands(folder: Path) -> None:
    done = plugins(folder, "--json", "explain", "https://example.org/a.png")
    assert done.status == 2
    assert "write the options of 'explain' after its name" in done.stderr
