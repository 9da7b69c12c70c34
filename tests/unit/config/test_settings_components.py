"""The configured plugins: loaded with their options, and their faults among all the others."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lading.plugins.host.registry import GROUPS
from lading.service.config import SettingsError, StorageSettings, load_all, load_components, load_settings
from tests.support.plugins.distributions import FETCHER, STORAGE, Site

DETECTOR = """
    from lading.plugins.contracts import TypeDetector

    class Probe(TypeDetector):
        contract_version = 1
        def __init__(self, options): ...
        async def detect(self, path): ...
        async def close(self): ...
"""
PLUGINS = {
    "LADING_FETCH__PLUGINS": "probe",
    "LADING_DETECT__PLUGINS": "probe",
    "LADING_STORAGE__BACKEND": "probe",
    "LADING_STORAGE_PROBE__BUCKET": "images",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    site = Site(tmp_path)
    site.install(FETCHER, group=GROUPS["fetch"], distribution="a")
    site.install(DETECTOR, group=GROUPS["detect"], distribution="b")
    site.install(STORAGE, group=GROUPS["storage"], distribution="c")
    return site


def test_configured_plugins_come_with_their_options(site: Site) -> None:
    settings, components = load_all(None, PLUGINS)
    assert settings == load_settings(None, PLUGINS)
    assert components == load_components(settings)
    assert [component.plugin.name for component in components.fetchers] == ["probe"]
    assert [component.plugin.distribution for component in components.detectors] == ["b"]
    assert components.storage.options.model_dump(include={"bucket", "parts"}) == {"bucket": "images", "parts": 4}


def test_settings_alone_import_no_plugin(site: Site) -> None:
    load_settings(None, PLUGINS)
    assert not set(site.modules) & set(sys.modules)


def test_faults_of_settings_and_plugins_are_reported_at_once(site: Site) -> None:
    environ = PLUGINS | {
        "LADING_SERVICE__PORT": "x",
        "LADING_FETCH__PLUGINS": "probe, absent",
        "LADING_STORAGE_PROBE__PARTS": "x",
        "LADING_STORAGE_PROBE__SECRET": "$env:NOTHING",
        "LADING_STORAGE_PROBE__BUCKT": "x",
    }
    with pytest.raises(SettingsError) as caught:
        load_all(None, environ)
    assert [(fault.where, fault.section, fault.key) for fault in caught.value.faults] == [
        ("LADING_SERVICE__PORT", "service", "port"),
        ("LADING_STORAGE_PROBE__SECRET", "storage.probe", "secret"),
        ("", "fetch", "plugins"),
        ("LADING_STORAGE_PROBE__PARTS", "storage.probe", "parts"),
        ("LADING_STORAGE_PROBE__BUCKT", "storage.probe", "buckt"),
    ]


def test_an_option_whose_reference_is_broken_is_not_called_missing_too(site: Site) -> None:
    with pytest.raises(SettingsError) as caught:
        load_all(None, PLUGINS | {"LADING_STORAGE_PROBE__BUCKET": "$env:NOTHING"})
    (fault,) = caught.value.faults
    assert fault.problem == "the environment variable 'NOTHING' is not set"


def test_plugins_of_a_section_at_fault_are_not_guessed(site: Site) -> None:
    with pytest.raises(SettingsError) as caught:
        load_all(None, PLUGINS | {"LADING_FETCH__PLUGINS": "absent, absent"})
    assert [(fault.section, fault.key) for fault in caught.value.faults] == [("fetch", "plugins")]


def test_fetchers_that_share_a_scheme_are_a_fault(site: Site) -> None:
    site.install(FETCHER, group=GROUPS["fetch"], name="other", distribution="d")
    with pytest.raises(SettingsError, match=r"\[fetch\] plugins: .* 'probe' by both 'probe' and 'other'"):
        load_all(None, PLUGINS | {"LADING_FETCH__PLUGINS": "probe, other"})


def test_a_plugin_that_is_not_installed_is_a_fault_of_the_option_that_names_it(site: Site) -> None:
    with pytest.raises(SettingsError) as caught:
        load_components(replace(load_settings(None, PLUGINS), storage=StorageSettings(backend="prob")))
    (fault,) = caught.value.faults
    assert (fault.section, fault.key) == ("storage", "backend")
    assert "did you mean 'probe'?" in fault.problem


def test_redirects_need_a_storage_that_signs_urls(site: Site) -> None:
    with pytest.raises(SettingsError) as caught:
        load_all(None, PLUGINS | {"LADING_IMAGES__REDIRECT": "true"})
    (fault,) = caught.value.faults
    assert (fault.section, fault.key) == ("images", "redirect")
    assert "probe cannot sign URLs" in fault.problem
    with pytest.raises(SettingsError, match="local cannot sign URLs"):
        load_all(None, {"LADING_IMAGES__REDIRECT": "true"})


# --- several storages -------------------------------------------------------------------------------------------------

TWO = {
    "LADING_STORAGE__BACKEND": "archive",
    "LADING_STORAGE__MIRROR": "local",
    "LADING_STORAGE__OTHERS": "old, local",
    "LADING_STORAGE_ARCHIVE__PLUGIN": "local",
    "LADING_STORAGE_ARCHIVE__PATH": "/srv/archive",
    "LADING_STORAGE_OLD__PLUGIN": "memory",
}


def test_storages_of_one_plugin_have_names_of_their_own() -> None:
    settings, components = load_all(None, TWO)
    assert (settings.storage.backend, settings.storage.mirror, settings.storage.others) == (
        "archive",
        "local",
        ("old", "local"),
    )
    assert settings.configured("storage") == ("archive", "local", "old")
    assert settings.plugin_names("storage") == ("local", "memory")
    assert [(name, one.plugin.name) for name, one in components.storages.items()] == [
        ("archive", "local"),
        ("local", "local"),
        ("old", "memory"),
    ]
    assert components.storage is components.storages["archive"]
    paths = [str(one.options.model_dump()["path"]) for one in list(components.storages.values())[:2]]
    assert paths == ["/srv/archive", "lading-data/images"]


def test_the_sections_say_the_same_in_a_file(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text("[storage]\nbackend = archive\nothers = local\n[storage.archive]\nplugin = local\npath = /srv\n")
    settings, components = load_all(conf, {})
    assert settings.plugin_options("storage", "archive") == {"path": "/srv"}
    assert {name: one.plugin.name for name, one in components.storages.items()} == {
        "archive": "local",
        "local": "local",
    }


@pytest.mark.parametrize(
    ("changes", "section", "key", "problem"),
    [
        ({"LADING_STORAGE__MIRROR": "archive"}, "storage", "mirror", "names the backend itself; name another storage"),
        ({"LADING_STORAGE__OTHERS": "old, old"}, "storage", "others", "names a plugin twice; name each plugin once"),
        ({"LADING_STORAGE__OTHERS": "../old"}, "storage", "others", "pattern"),
        ({"LADING_STORAGE__MIRROR": "absent"}, "storage", "mirror", "no plugin 'absent' is installed"),
        ({"LADING_STORAGE__OTHERS": "absent, old"}, "storage", "others", "no plugin 'absent' is installed"),
        ({"LADING_STORAGE_ARCHIVE__PLUGIN": "locl"}, "storage.archive", "plugin", "did you mean 'local'"),
        ({"LADING_STORAGE_ARCHIVE__PLUGIN": ""}, "storage.archive", "plugin", "no plugin '' is installed"),
        ({"LADING_STORAGE_ARCHIVE__PATHS": "/x"}, "storage.archive", "paths", "did you mean 'path'"),
        ({"LADING_STORAGE_OLD__PATH": "/x"}, "storage.old", "path", ""),
        ({"LADING_STORAGE_GONE__PATH": "/x"}, "", "", "overrides no known option"),
        ({"LADING_FETCH_HTTP__PLUGIN": "http"}, "fetch.http", "plugin", ""),
    ],
)
def test_what_is_wrong_with_one_of_them_stops_the_start(
    changes: dict[str, str], section: str, key: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_all(None, TWO | changes)
    (fault,) = caught.value.faults
    assert (fault.section, fault.key) == (section, key)
    assert problem in fault.problem


def test_redirects_ask_for_signed_urls_of_the_backend_alone(site: Site) -> None:
    with pytest.raises(SettingsError, match="the storage backend local cannot sign URLs"):
        load_all(None, {"LADING_IMAGES__REDIRECT": "true", "LADING_STORAGE__OTHERS": "memory"})


def test_a_rule_names_a_configured_storage_that_is_not_the_mirror(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"

    def told(rules: str) -> list[str]:
        text = f"[storage]\nmirror = copy\nothers = archive\n[storage.route]\nrules = {rules}\n"
        for name in ("copy", "archive"):
            text += f"[storage.{name}]\nplugin = local\npath = /srv/{name}\n"
        conf.write_text(text)
        try:
            settings, _ = load_all(conf, {})
        except SettingsError as error:
            return [f"[{one.section}] {one.key}: {one.problem}" for one in error.faults]
        assert settings.storage_route.parsed
        return []

    place = "[storage.route] rules: "
    no_storage = "the rule 'organization:a=archiv' names no configured storage; add 'archiv' to others"
    the_mirror = "the rule 'album:b=copy' names the mirror, which has the second copies; name another storage"
    assert told("organization:a=archive, album:b=local") == []
    assert told("organization:a=archiv, album:b=copy") == [
        f"{place}{no_storage}; did you mean 'archive'?",
        f"{place}{the_mirror}",
    ]
