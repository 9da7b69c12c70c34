"""The options: what is required, and what is refused."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from lading_sftp.options import Server, SftpOptions

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINzbU8Dr+2apXjS1+7v88SCh9D6bRe8FpjW7pzhVMpR3"
GIVEN = {
    "hosts": "files.example, Backup.Example:2222, [2001:DB8::1]:22",
    "username": "lading",
    "password": "hunter2",
    "host_keys": f"files.example {KEY}, [backup.example]:2222 {KEY} a comment",
}
README = Path(__file__).parent.parent / "README.md"


def faults(**changes: object) -> str:
    with pytest.raises(ValidationError) as raised:
        SftpOptions.model_validate({**GIVEN, **changes})
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in raised.value.errors())


def test_options_as_service_conf_has_them() -> None:
    options = SftpOptions.model_validate(GIVEN)
    assert options.hosts == (Server("files.example", 22), Server("backup.example", 2222), Server("2001:db8::1", 22))
    assert [str(server) for server in options.hosts] == ["files.example", "backup.example:2222", "[2001:db8::1]"]
    assert len(options.host_keys) == 2


def test_secrets_are_not_printed() -> None:
    options = SftpOptions.model_validate({**GIVEN, "passphrase": "open sesame"})
    assert "hunter2" not in repr(options)
    assert "open sesame" not in repr(options)


@pytest.mark.parametrize("missing", ["hosts", "username"])
def test_required_options(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        SftpOptions.model_validate({name: value for name, value in GIVEN.items() if name != missing})


def test_there_is_no_way_around_host_keys() -> None:
    assert "host keys are always checked" in faults(host_keys="")


def test_there_must_be_something_to_log_in_with() -> None:
    assert "there is nothing to log in with" in faults(password="")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("hosts", ""),
        ("hosts", "*"),
        ("hosts", "files.example:0"),
        ("hosts", "files.example:ssh"),
        ("hosts", "sftp://files.example"),
        ("hosts", "lading@files.example"),
        ("hosts", "2001:db8::1"),
        ("hosts", "[files.example]"),
        ("username", ""),
        ("username", "a b"),
        ("username", "lading:secret"),
        ("private_key", "does/not/exist"),
        ("private_key", "/"),
        ("known_hosts", ""),
        ("known_hosts", "does/not/exist"),
        ("host_keys", "files.example"),
        ("host_keys", KEY),
        ("host_keys", f"files.example {KEY[:-8]}"),
        ("host_keys", f"@revoked files.example {KEY}"),
        ("root", "pictures"),
        ("root", ""),
        ("max_bytes", "0"),
        ("connect_timeout", "0"),
        ("read_timeout", "inf"),
        ("total_timeout", "nan"),
        ("connections", "0"),
        ("known_host", "typo"),
    ],
)
def test_refused_options(option: str, value: str) -> None:
    assert faults(**{option: value}).startswith(option)


def test_the_readme_has_every_option_with_its_default() -> None:
    _, _, section = README.read_text(encoding="utf-8").partition("## Options\n")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert rows == [(name, _default(field)) for name, field in SftpOptions.model_fields.items()]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, (), SecretStr("")):
        return "none"
    return f"`{field.default}`"
