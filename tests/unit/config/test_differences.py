"""``lading config``: the shipped ``service.conf``, and what a configuration changes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lading.service.cli.config import NOTHING_CHANGED, as_ini, changes, config_command
from lading.service.config import load_all
from lading.service.config.sections.service import SECTIONS

CONF = Path(__file__).parents[3] / "service.conf"
SECRET = "a secret that nobody but the issuer may know"
CHANGED = f"""\
[service]
port = 9000
shutdown_timeout = 12.5
allow_origins = https://app.example.org, https://other.example.org

[limits]
issuer_exceptions = me=60, another=0

[documents]
encryption_keys = {"ab" * 21}w=

[documents.mongo]
uri = mongodb://someone:{SECRET.replace(" ", "-")}@db.example.org/

[fetch]
plugins = http

[fetch.http]
allow_networks = 10.1.0.0/16, fd00::/8
max_bytes = 1000

[storage]
backend = archive
mirror = memory

[issuer.me]
organization_id = my-organization
algorithm = HS384
secret = {SECRET} and the backend
previous_secret = {SECRET} and the one before
require_exp = false

[storage.archive]
plugin = local
path = /srv/archive
"""


def invoke(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(config_command, arguments, env={"LADING_CONFIG": None, **environ})


def written(folder: Path, text: str) -> Path:
    path = folder / "written.conf"
    path.write_text(text, encoding="utf-8")
    return path


def difference(conf: Path | None, **environ: str) -> list[str]:
    return list(as_ini(changes(*load_all(conf, environ))))


def test_it_prints_the_shipped_file() -> None:
    assert invoke().output == CONF.read_text(encoding="utf-8")


@pytest.mark.parametrize("conf", [None, CONF])
def test_the_defaults_change_nothing(conf: Path | None) -> None:
    assert difference(conf) == []
    assert invoke("--diff", *(["--config", str(conf)] if conf else [])).output == f"{NOTHING_CHANGED}\n"


def test_file_and_environment_are_told_together(tmp_path: Path) -> None:
    conf = written(tmp_path, "[service]\nport = 9000\n")
    assert difference(conf, LADING_WORKER__ENABLED="false", LADING_SERVICE__PORT="9001") == [
        "[service]",
        "# default: 8080",
        "port = 9001",
        "",
        "[worker]",
        "# default: true",
        "enabled = false",
    ]


def test_an_option_that_is_written_with_its_default_is_no_change(tmp_path: Path) -> None:
    assert difference(written(tmp_path, "[service]\nport = 8080\n[fetch]\nplugins = http,data\n")) == []


def test_a_plugin_that_is_not_configured_changes_nothing(tmp_path: Path) -> None:
    assert difference(written(tmp_path, "[storage.s3]\nbucket = images\n")) == []


def test_an_option_without_a_default_is_always_told(tmp_path: Path) -> None:
    conf = written(
        tmp_path,
        "[storage]\nbackend = s3\n[storage.s3]\nbucket = images\nsecret_access_key = hidden\naccess_key_id = AKIA\n",
    )
    found = "\n".join(difference(conf))
    assert "# no default\nbucket = images" in found
    assert "# a secret, which is not shown\nsecret_access_key = **********" in found
    assert "hidden" not in found


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    conf = written(tmp_path, CHANGED)
    found = "\n".join(difference(conf))
    assert SECRET not in found
    assert SECRET.replace(" ", "-") not in found
    assert "abab" not in found
    for key in ("encryption_keys", "uri", "secret", "previous_secret"):
        assert f"# a secret, which is not shown\n{key} = **********" in found


def test_what_is_told_is_a_configuration_that_says_the_same(tmp_path: Path) -> None:
    conf = written(tmp_path, CHANGED)
    settings, components = load_all(conf, {})
    told = "\n".join(as_ini(changes(settings, components)))
    for line in CHANGED.splitlines():
        key, _, value = line.partition(" = ")
        if key in {"encryption_keys", "uri", "secret", "previous_secret"}:
            told = told.replace(f"\n{key} = **********", f"\n{line}")
        elif value:
            assert f"\n{line}\n" in f"{told}\n"
    again, components_again = load_all(written(tmp_path, told), {})
    assert components_again == components
    assert again.issuers == settings.issuers
    for section in SECTIONS:
        assert getattr(again, section.replace(".", "_")) == getattr(settings, section.replace(".", "_"))


def test_a_value_of_several_lines(tmp_path: Path) -> None:
    conf = written(tmp_path, "[fetch.http]\nallow_hosts = a.example,\n    b.example\n")
    assert difference(conf)[-1] == "allow_hosts = a.example, b.example"
    conf.write_text("[storage.local]\npath = one\n    two\n")
    told = "\n".join(difference(conf))
    assert told.endswith("path = one\n    two")
    assert load_all(written(tmp_path, told), {})[1] == load_all(conf, {})[1]


def test_a_faulty_configuration_is_refused_as_ever(tmp_path: Path) -> None:
    done = invoke("--diff", "--config", str(written(tmp_path, "[service]\nprot = 1\n")))
    assert done.exit_code == 1
    assert "did you mean 'port'?" in done.output


def test_a_file_without_diff_is_a_mistake(tmp_path: Path) -> None:
    conf = written(tmp_path, "")
    assert invoke("--config", str(conf)).exit_code == 2
    assert invoke(LADING_CONFIG=str(conf)).exit_code == 0
