"""The registry: what it finds, and what it says about what it refuses."""

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import Fetcher
from lading.plugins.host import registry
from lading.plugins.host.registry import (
    GROUPS,
    Kind,
    LoadedPlugin,
    OptionsInvalid,
    PluginAmbiguous,
    PluginImportFailed,
    PluginMalformed,
    PluginNotInstalled,
    SchemeConflict,
)
from tests.support.plugins.distributions import FETCHER, STORAGE, Site

FETCHERS = GROUPS["fetch"]
STORAGES = GROUPS["storage"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def test_an_installed_plugin_is_loaded_with_its_distribution(site: Site) -> None:
    module = site.install(FETCHER, group=FETCHERS)
    plugin = registry.load("fetch", "probe")
    assert plugin == LoadedPlugin("fetch", "probe", sys.modules[module].Probe, "acme-probe", "1.2")
    assert issubclass(plugin.cls, Fetcher)


def test_installed_plugins_are_listed_without_being_imported(site: Site) -> None:
    module = site.install("raise AssertionError('imported')", group=FETCHERS)
    listed = {plugin.name: plugin for plugin in registry.installed("fetch")}
    assert listed["probe"] == registry.InstalledPlugin("fetch", "probe", f"{module}:Probe", "acme-probe", "1.2")
    assert {"http", "data"} <= set(listed)
    assert module not in sys.modules


def test_distributions_are_read_once_until_one_is_installed_or_removed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[None] = []

    def counted() -> Any:
        readings.append(None)
        return entry_points()

    monkeypatch.setattr(registry, "entry_points", counted)
    for name in ("http", "data", "http"):
        assert registry.load("fetch", name).distribution == "lading"
    assert len(readings) == 1
    with pytest.raises(PluginNotInstalled):
        registry.load("fetch", "probe")
    site.install(FETCHER, group=FETCHERS)
    os.utime(tmp_path, (1, 1))  # a file system may tell times too coarsely for a test
    assert registry.load("fetch", "probe").distribution == "acme-probe"
    assert len(readings) == 2
    monkeypatch.undo()
    with pytest.raises(PluginNotInstalled):
        registry.load("fetch", "probe")


def test_only_the_plugin_asked_for_is_imported(site: Site) -> None:
    other = site.install(FETCHER, group=FETCHERS, name="other", distribution="other")
    site.install(FETCHER, group=FETCHERS)
    registry.load("fetch", "probe")
    assert other not in sys.modules


def test_a_plugin_that_is_not_installed_is_named_with_what_is(site: Site) -> None:
    with pytest.raises(PluginNotInstalled) as caught:
        registry.load("storage", "locl")
    message = str(caught.value)
    assert "'locl'" in message
    assert "lading.storages" in message
    assert "did you mean 'local'?" in message
    assert "installed: gcs, local, memory, s3" in message


def test_a_plugin_of_another_kind_is_not_found(site: Site) -> None:
    site.install(FETCHER, group=FETCHERS)
    with pytest.raises(PluginNotInstalled):
        registry.load("storage", "probe")


def test_two_distributions_with_one_name_are_both_named(site: Site) -> None:
    site.install(FETCHER, group=FETCHERS)
    site.install(FETCHER, group=FETCHERS, distribution="rival-probe")
    with pytest.raises(PluginAmbiguous, match=r"declared 2 times.*acme-probe 1\.2.*rival-probe 1\.2"):
        registry.load("fetch", "probe")


def test_a_third_party_cannot_take_the_name_of_a_built_in_plugin(site: Site) -> None:
    site.install(STORAGE, group=STORAGES, name="local")
    with pytest.raises(PluginAmbiguous, match=r"acme-probe 1\.2 .* and lading "):
        registry.load("storage", "local")


def test_an_exception_on_import_is_told_in_one_line(site: Site) -> None:
    site.install("raise RuntimeError('no licence\\nsecond line')", group=FETCHERS)
    with pytest.raises(PluginImportFailed, match=r"'probe'.*lading\.fetchers.*RuntimeError: no licence$") as caught:
        registry.load("fetch", "probe")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_missing_attribute_is_an_import_failure(site: Site) -> None:
    site.install("", group=FETCHERS)
    with pytest.raises(PluginImportFailed, match="has no attribute 'Probe'"):
        registry.load("fetch", "probe")


def test_a_missing_extra_is_told_with_the_command_that_installs_it(site: Site) -> None:
    site.install("import no_such_client", group=STORAGES, extras="[s3]")
    with pytest.raises(PluginImportFailed, match=r"No module named 'no_such_client'; .*pip install 'acme-probe\[s3\]'"):
        registry.load("storage", "probe")


def test_no_extra_is_recommended_when_the_import_failed_otherwise(site: Site) -> None:
    site.install("1 / 0", group=STORAGES, extras="[s3]")
    with pytest.raises(PluginImportFailed, match=r"ZeroDivisionError: division by zero$"):
        registry.load("storage", "probe")


@pytest.mark.parametrize(
    ("kind", "code", "problem"),
    [
        ("fetch", "Probe = 5", "it is not a class but int"),
        ("fetch", "class Probe: ...", "it is not a subclass of lading.plugins.contracts.Fetcher"),
        ("fetch", STORAGE, "it belongs in the group lading.storages"),
        ("storage", FETCHER, "it is not a subclass of lading.plugins.contracts.StorageBackend"),
        ("detect", FETCHER, "it is not a subclass of lading.plugins.contracts.TypeDetector"),
        (
            "storage",
            STORAGE.replace("def delete", "def remove").replace("def ping", "def pong"),
            "it lacks delete, ping",
        ),
        ("storage", STORAGE.replace("Options = Options", "Options = dict"), "its Options is not a subclass"),
        ("storage", STORAGE.replace("Options = Options", "Options = None"), "its Options is not a subclass"),
        ("fetch", FETCHER.replace('"url"', '""'), "its kind is not"),
        ("fetch", FETCHER.replace('kind = "url"', ""), "its kind is not"),
        ("fetch", FETCHER.replace('schemes = frozenset({"probe"})', ""), "its schemes are not"),
        ("fetch", FETCHER.replace('frozenset({"probe"})', '"probe"'), "its schemes are not"),
        ("fetch", FETCHER.replace('{"probe"}', '{"Probe"}'), "its schemes are not"),
        ("fetch", FETCHER.replace('{"probe"}', '{"probe:"}'), "its schemes are not"),
    ],
)
def test_a_class_that_breaks_the_contract_is_refused(site: Site, kind: Kind, code: str, problem: str) -> None:
    site.install(code, group=GROUPS[kind])
    with pytest.raises(PluginMalformed, match="is not a valid plugin") as caught:
        registry.load(kind, "probe")
    assert problem in str(caught.value)


def test_everything_wrong_with_a_class_is_told_at_once(site: Site) -> None:
    code = FETCHER.replace("def check", "def inspect").replace('"url"', "None").replace('{"probe"}', "")
    site.install(code, group=FETCHERS)
    with pytest.raises(PluginMalformed, match=r"it lacks check; its kind is .*; its schemes are"):
        registry.load("fetch", "probe")


def test_fetchers_that_share_a_scheme_are_both_named(site: Site) -> None:
    site.install(FETCHER, group=FETCHERS)
    site.install(FETCHER, group=FETCHERS, name="second", distribution="second")
    first, second = registry.load("fetch", "probe"), registry.load("fetch", "second")
    registry.check_schemes([first])
    with pytest.raises(SchemeConflict, match="'probe' by both 'probe' and 'second'"):
        registry.check_schemes([first, second])


def test_options_become_the_plugins_own_model(site: Site) -> None:
    module = site.install(STORAGE, group=STORAGES)
    options = registry.parse_options(registry.load("storage", "probe"), {"bucket": "images", "parts": "8"})
    assert options == sys.modules[module].Options(bucket="images", parts=8)


def test_every_fault_of_the_options_is_told_at_once(site: Site) -> None:
    site.install(STORAGE, group=STORAGES)
    plugin = registry.load("storage", "probe")
    with pytest.raises(OptionsInvalid) as caught:
        registry.parse_options(plugin, {"buckt": "images", "parts": "many", "secret": "abc"})
    problems = {fault.option: fault.problem for fault in caught.value.faults}
    assert problems["bucket"] == "is required"
    assert problems["buckt"] == "is not a known option; did you mean 'bucket'?"
    assert "integer" in problems["parts"]
    assert "at least 4" in problems["secret"]
    assert "[storage.probe]" in str(caught.value)


def test_a_check_that_raises_something_else_is_a_fault_without_its_text(site: Site) -> None:
    check = """
    from pydantic import field_validator

    class Options(Options):
        @field_validator("secret")
        @classmethod
        def check(cls, value):
            raise KeyError(value.get_secret_value())

    Probe.Options = Options
    """
    site.install(STORAGE + check, group=STORAGES)
    with pytest.raises(OptionsInvalid, match=r"its options raised KeyError$") as caught:
        registry.parse_options(registry.load("storage", "probe"), {"bucket": "b", "secret": "hunter22"})
    assert caught.value.__context__ is None
