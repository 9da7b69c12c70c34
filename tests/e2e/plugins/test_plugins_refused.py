"""Each plugin that cannot be used stops ``lading serve`` with one message and exit status 1."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.plugins.distributions import FETCHER, STORAGE, Site
from tests.support.servers.processes import lading

SECRET = "hush-hush-hush"
FETCHERS = "lading.fetchers"
STORAGES = "lading.storages"
DETECTORS = "lading.detectors"

USE_FETCHER = "[fetch]\nplugins = http, probe\n"
USE_STORAGE = "[storage]\nbackend = probe\n[storage.probe]\nbucket = images\n"
USE_DETECTOR = "[detect]\nplugins = probe, pillow\n"

DETECTOR = """
    from lading.plugins.contracts import TypeDetector

    class Probe(TypeDetector):
        contract_version = 1

        def __init__(self, options): ...
        async def detect(self, path): ...
        async def close(self): ...
"""


@dataclass(frozen=True)
class Refused:
    """What is installed and configured, and what the message must say."""

    install: Callable[[Site], object]
    conf: str
    says: tuple[str, ...]


def installing(code: str, group: str, **options: str) -> Callable[[Site], object]:
    return lambda site: site.install(code, group=group, **options)


def twice(site: Site) -> None:
    site.install(FETCHER, group=FETCHERS)
    site.install(FETCHER, group=FETCHERS, distribution="rival-probe")


def nothing(_: Site) -> None:
    """Nothing is installed beside what is built in."""


CASES = {
    "storage that is not installed": Refused(
        nothing,
        "[storage]\nbackend = locl\n",
        (
            "[storage] backend",
            "'locl'",
            "lading.storages",
            "did you mean 'local'?",
            "installed: gcs, local, memory, s3",
        ),
    ),
    "fetcher that is not installed": Refused(
        nothing,
        USE_FETCHER,
        ("[fetch] plugins", "'probe'", "lading.fetchers", "installed: data, http", "install a distribution"),
    ),
    "two distributions with one name": Refused(
        twice, USE_FETCHER, ("'probe'", "declared 2 times", "acme-probe 1.2", "rival-probe 1.2", "uninstall")
    ),
    "the name of a built-in plugin": Refused(
        installing(DETECTOR, DETECTORS, name="pillow"),
        "",
        ("'pillow'", "declared 2 times", "acme-probe 1.2", "lading 0."),
    ),
    "raises on import": Refused(
        installing("raise RuntimeError('no licence\\nsecond line')", STORAGES),
        USE_STORAGE,
        ("'probe'", "acme-probe 1.2", "cannot be imported: RuntimeError: no licence"),
    ),
    "exits on import": Refused(
        installing("import sys\nsys.exit('not on this machine')", STORAGES),
        USE_STORAGE,
        ("'probe'", "acme-probe 1.2", "cannot be imported: SystemExit: not on this machine"),
    ),
    "an extra is missing": Refused(
        installing("import no_such_client", STORAGES, extras="[s3]"),
        USE_STORAGE,
        ("No module named 'no_such_client'", "pip install 'acme-probe[s3]'"),
    ),
    "a class of another kind": Refused(
        installing(STORAGE, FETCHERS),
        USE_FETCHER,
        ("not a subclass of lading.plugins.contracts.Fetcher", "belongs in the group lading.storages"),
    ),
    "no class": Refused(installing("Probe = 5", DETECTORS), USE_DETECTOR, ("'probe'", "not a class but int")),
    "a method is missing": Refused(
        installing(STORAGE.replace("def ping", "def pong"), STORAGES), USE_STORAGE, ("'probe'", "it lacks ping")
    ),
    "unknown option": Refused(
        installing(STORAGE, STORAGES),
        f"{USE_STORAGE}secrte = {SECRET}\n",
        ("[storage.probe] secrte", "not a known option", "did you mean 'secret'?"),
    ),
    "missing option": Refused(
        installing(STORAGE, STORAGES), "[storage]\nbackend = probe\n", ("[storage.probe] bucket: is required",)
    ),
    "option of another type": Refused(
        installing(STORAGE, STORAGES), f"{USE_STORAGE}parts = {SECRET}\n", ("[storage.probe] parts", "integer")
    ),
    "a secret that is not acceptable": Refused(
        installing(STORAGE.replace("min_length=4", "min_length=40"), STORAGES),
        f"{USE_STORAGE}secret = {SECRET}\n",
        ("[storage.probe] secret", "at least 40"),
    ),
    "a contract of the future": Refused(
        installing(FETCHER.replace("contract_version = 1", "contract_version = 2"), FETCHERS),
        USE_FETCHER,
        ("'probe'", "version 2 of the contract", "this Lading has version 1", "upgrade Lading"),
    ),
    "no contract version": Refused(
        installing(FETCHER.replace("contract_version = 1", "pass"), FETCHERS),
        USE_FETCHER,
        ("'probe'", "does not say which version", "contract_version = 1"),
    ),
    "two fetchers of one scheme": Refused(
        installing(FETCHER.replace('{"probe"}', '{"https"}'), FETCHERS),
        USE_FETCHER,
        ("[fetch] plugins", "'https' by both 'http' and 'probe'"),
    ),
    "a constructor that raises": Refused(
        installing(DETECTOR.replace("options): ...", f"options): raise ValueError('{SECRET}')"), DETECTORS),
        USE_DETECTOR,
        ("[probe] plugin_fault", "its constructor raised ValueError"),
    ),
    "a constructor that says why": Refused(
        installing(
            DETECTOR.replace(
                "options): ...",
                "options): from lading.plugins.errors import DetectError; raise DetectError('no model in /srv')",
            ),
            DETECTORS,
        ),
        USE_DETECTOR,
        ("[probe] detect_error", "no model in /srv"),
    ),
}


@pytest.mark.parametrize("name", ["a constructor that raises", "a constructor that says why"])
def test_check_finds_what_cannot_be_constructed(name: str, tmp_path: Path) -> None:
    case, folder = CASES[name], tmp_path / "site"
    folder.mkdir()
    case.install(Site(folder))
    (tmp_path / "service.conf").write_text(case.conf, encoding="utf-8")
    done = lading("check", "--config", "service.conf", cwd=tmp_path, environ={"PYTHONPATH": str(folder)})
    assert done.status == 1
    assert [said for said in case.says if said not in done.stderr] == [], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", CASES)
def test_serve_ends_with_one_message(name: str, tmp_path: Path) -> None:
    case, folder = CASES[name], tmp_path / "site"
    folder.mkdir()
    case.install(Site(folder))
    (tmp_path / "service.conf").write_text(case.conf, encoding="utf-8")
    arguments = ("serve", "--port", "0", "--config", "service.conf")
    environ = {"PYTHONPATH": str(folder), "LADING_SERVICE__LOG_FORMAT": "console"}
    done = lading(*arguments, cwd=tmp_path, environ=environ)
    assert (done.status, done.stdout) == (1, "")
    assert [said for said in case.says if said not in done.stderr] == [], done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    if "option of another type" not in name:  # what is no secret may be shown
        assert SECRET not in done.stderr


def test_every_fault_of_every_plugin_is_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    site.install(STORAGE, group=STORAGES)
    site.install("1 / 0", group=DETECTORS, distribution="rival-probe")
    conf = "[fetch]\nplugins = htp\n[storage]\nbackend = probe\n[detect]\nplugins = pillow, probe\n"
    (tmp_path / "service.conf").write_text(conf, encoding="utf-8")
    done = lading("serve", "--config", "service.conf", cwd=tmp_path, environ={"PYTHONPATH": str(folder)})
    assert (done.status, done.stdout) == (1, "")
    head, *faults = done.stderr.splitlines()
    assert head == "Error: the configuration has 3 faults:"
    for said in ("'htp'", "ZeroDivisionError", "[storage.probe] bucket"):
        assert len([fault for fault in faults if said in fault]) == 1, said
