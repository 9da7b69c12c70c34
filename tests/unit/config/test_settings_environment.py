"""Overrides from the environment, and references."""

from pathlib import Path

import pytest

from lading.service.config import Fault, Settings, SettingsError, load_settings
from lading.service.config.environment import variable_name
from lading.service.config.sections.service import SECTIONS

SECRET = "correct horse battery staple, and then some"


def load(tmp_path: Path, text: str, environ: dict[str, str]) -> Settings:
    path = tmp_path / "service.conf"
    path.write_text(text)
    return load_settings(path, environ)


def the_fault(tmp_path: Path, text: str, environ: dict[str, str]) -> Fault:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environ)
    (fault,) = caught.value.faults
    return fault


# --- overrides --------------------------------------------------------------------------------------------------------


def test_the_environment_takes_precedence_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "[service]\nport = 1\n", {"LADING_SERVICE__PORT": "2"})
    assert settings.service.port == 2


def test_every_option_can_be_overridden_under_its_own_name() -> None:
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            with pytest.raises(SettingsError) as caught:
                load_settings(None, {variable_name(section, key): "$env:NO_SUCH_VARIABLE"})
            assert [(fault.section, fault.key) for fault in caught.value.faults] == [(section, key)]


def test_letters_may_be_of_either_case() -> None:
    assert load_settings(None, {"lading_Documents_Sqlite__PATH": "x"}).documents_sqlite.path == Path("x")


def test_a_plugin_that_the_environment_configures_takes_its_options_from_it() -> None:
    settings = load_settings(None, {"LADING_STORAGE__BACKEND": "my-s3", "LADING_STORAGE_MY_S3__BUCKET": "images"})
    assert settings.plugin_names("storage") == ("my-s3",)
    assert settings.plugin_options("storage", "my-s3") == {"bucket": "images"}


def test_an_issuer_of_the_file_takes_its_secret_from_the_environment(tmp_path: Path) -> None:
    text = "[issuer.fa355b5e-D1e4]\norganization_id = acme\n"
    settings = load(tmp_path, text, {"LADING_ISSUER_FA355B5E_D1E4__SECRET": SECRET})
    assert settings.issuers["fa355b5e-D1e4"].key == SECRET


def test_a_section_that_the_file_has_for_another_plugin_may_be_overridden(tmp_path: Path) -> None:
    settings = load(tmp_path, "[storage.s3]\nbucket = a\n", {"LADING_STORAGE_S3__BUCKET": "b"})
    assert settings.plugin_options("storage", "s3") == {}, "it is not configured"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("LADING_SERVICE__PROT", "LADING_SERVICE__PORT"),
        ("LADING_SERVCIE__PORT", "LADING_SERVICE__PORT"),
        ("LADING_SERVICE_PORT", "LADING_SERVICE__PORT"),
        ("LADING_DOCUMENTS__SQLITE__PATH", "LADING_DOCUMENTS_SQLITE__PATH"),
        ("LADING_STORAGE_LOCL__PATH", "LADING_STORAGE_LOCAL__PATH"),
        ("LADING_SERVICE__", "LADING_SERVICE__"),
    ],
)
def test_an_override_of_nothing_is_a_fault_with_the_closest_name(variable: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {variable: "1"})
    (fault,) = caught.value.faults
    assert fault.where == variable
    assert f"overrides no known option; did you mean '{hint}" in fault.problem


def test_other_variables_are_left_alone() -> None:
    assert load_settings(None, {"LADING_REQUIRE": "s3", "LADINGS__X": "1", "XLADING_A__B": "1"}) == load_settings(
        None, {}
    )


def test_one_option_given_by_two_variables_is_a_fault() -> None:
    with pytest.raises(SettingsError, match=r"lading_service__port: \[service\] port: is also set by LADING_SER"):
        load_settings(None, {"LADING_SERVICE__PORT": "1", "lading_service__port": "2"})


def test_a_variable_that_may_mean_two_sections_is_a_fault(tmp_path: Path) -> None:
    section = f"organization_id = acme\nsecret = {SECRET}\n"
    fault = the_fault(tmp_path, f"[issuer.a-b]\n{section}[issuer.a.b]\n{section}", {"LADING_ISSUER_A_B__ENABLED": "no"})
    assert (
        fault.problem
        == "can mean both [issuer.a-b] enabled and [issuer.a.b] enabled; set the option in service.conf instead"
    )


def test_a_wrong_value_is_told_with_its_variable(tmp_path: Path) -> None:
    fault = the_fault(tmp_path, "[service]\nport = 1\n", {"LADING_SERVICE__PORT": "many"})
    assert (fault.where, fault.section, fault.key) == ("LADING_SERVICE__PORT", "service", "port")


def test_bytes_that_are_no_text_are_a_fault(tmp_path: Path) -> None:
    assert the_fault(tmp_path, "", {"LADING_DOCUMENTS_SQLITE__PATH": "\udce9"}).problem == "is not UTF-8"


# --- references -------------------------------------------------------------------------------------------------------


def test_a_value_may_come_from_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, "[service]\nport = $env:PORT\n", {"PORT": "81"}).service.port == 81


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_value_may_come_from_a_file_beside_the_configuration(tmp_path: Path, ending: str) -> None:
    (tmp_path / "key").write_bytes(f"{SECRET}{ending}".encode())
    settings = load(tmp_path, "[issuer.a]\norganization_id = acme\nsecret = $file:key\n", {})
    assert settings.issuers["a"].key == SECRET


def test_only_the_last_line_break_of_a_file_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f" {SECRET}\n\n")
    settings = load(tmp_path, "[issuer.a]\norganization_id = acme\nsecret = $file:key\n", {})
    assert settings.issuers["a"].key == f" {SECRET}\n"


def test_an_override_may_be_a_reference_and_what_it_refers_to_is_taken_as_it_is(tmp_path: Path) -> None:
    environ = {"LADING_STORAGE_LOCAL__PATH": "$env:WHERE", "WHERE": "$env:HOME"}
    assert load(tmp_path, "", environ).plugin_options("storage", "local") == {"path": "$env:HOME"}


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("81")
    assert load_settings(None, {"LADING_SERVICE__PORT": f"$file:{tmp_path}/port"}).service.port == 81


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("$env:NOTHING", "the environment variable 'NOTHING' is not set"),
        ("$env:", "the environment variable '' is not set"),
        ("$env:BYTES", "the environment variable 'BYTES' is not UTF-8"),
        ("$file:nothing", "the file 'nothing' cannot be read: No such file or directory"),
        ("$file:", "the file '' cannot be read: Is a directory"),
        ("$file:latin", "the file 'latin' cannot be read: it is not UTF-8"),
        ("$file:/dev/zero", "the file '/dev/zero' is larger than 65536 bytes"),
    ],
)
def test_a_broken_reference_is_one_fault(tmp_path: Path, reference: str, problem: str) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    text = f"[issuer.a]\norganization_id = acme\nsecret = {reference}\n"
    fault = the_fault(tmp_path, text, {"BYTES": "\udce9"})
    assert (fault.section, fault.key, fault.problem) == ("issuer.a", "secret", problem)
