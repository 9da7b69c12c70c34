"""The commands that come to an end, as a stranger uses them: what they print, and with which exit status they end."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

import click
import jwt
import pytest
from click.testing import CliRunner

from lading.service.cli.main import main
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import CONF, ISSUER, SECRET
from tests.support.tokens import private_key, private_pem

TOKEN = ("token", "--config", "service.conf", "--album", "holidays", "--issuer", ISSUER)
CREATE = ("issuer", "create", "--organization", "an-organization")
LIST = ("issuer", "list", "--config", "service.conf")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a configuration that declares issuers."""
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    return tmp_path


def claims(token: str) -> dict[str, object]:
    decoded: dict[str, object] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return decoded


def walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and those below it, each with what is typed to reach it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk((*path, name), below)


@pytest.mark.parametrize("path", dict(walk((), main)), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    printed = CliRunner().invoke(main, [*path, "--help"])
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.stdout.startswith("Usage: ")
    assert "..." not in printed.stdout.partition("\n")[2], "a summary does not fit its line"
    options = [one for one in dict(walk((), main))[path].params if isinstance(one, click.Option) and not one.hidden]
    assert [option.name for option in options if not option.help] == []


def test_the_help_lists_the_commands_in_the_order_in_which_one_needs_them(tmp_path: Path) -> None:
    printed = lading("--help", cwd=tmp_path)
    listed = re.findall(r"^  ([a-z]+)  ", printed.stdout.partition("Commands:")[2], flags=re.MULTILINE)
    first = ["demo", "serve", "worker", "check", "import", "bulk", "imports", "images", "login", "config", "plugins"]
    then = [
        "fetch",
        "issuer",
        "token",
        "page",
        "storage",
        "queue",
        "workers",
        "retention",
        "backup",
        "restore",
        "migrate",
        "documents",
    ]
    assert listed == [*first, *then]


def test_without_a_command_it_says_what_there_is(tmp_path: Path) -> None:
    printed = lading(cwd=tmp_path)
    assert printed.status == 2
    assert re.search(r"^  serve +Run the service\.$", printed.stderr, re.MULTILINE)


# --- issuers and tokens -----------------------------------------------------------------------------------------------


def test_an_issuer_from_its_creation_to_its_disabling(folder: Path) -> None:
    created = lading(*CREATE, "--config", "service.conf", "--id", "mine", cwd=folder)
    assert created.status == 0
    match = re.fullmatch(r"id: mine\nsecret: (\S{64,})\n", created.stdout)
    assert match is not None
    secret = match[1]

    listed = lading(*LIST, cwd=folder)
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["ID", "ORGANIZATION", "ALGORITHM", "STATE", "KEPT", "IN", "PREVIOUS", "KEY"]
    assert ["mine", "an-organization", "HS256", "enabled", "documents", "-"] in rows
    assert [ISSUER, rows[1][1], "HS256", "enabled", "service.conf", "-"] in rows
    assert any(row[0] == "disabled-issuer" and row[3] == "disabled" for row in rows)

    sign = ("token", "--config", "service.conf", "--issuer", "mine", "--album", "holidays")
    signed = lading(*sign, cwd=folder)
    assert jwt.decode(signed.stdout.strip(), secret, algorithms=["HS256"])["iss"] == "mine"

    again = lading(*CREATE, "--config", "service.conf", "--id", "mine", cwd=folder)
    assert (again.status, again.stdout, again.stderr) == (1, "", "Error: the issuer 'mine' already exists\n")

    disabled = lading("issuer", "disable", "mine", "--config", "service.conf", cwd=folder)
    assert (disabled.status, disabled.stdout) == (0, "mine is disabled\n")
    refused = lading(*sign, cwd=folder)
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr == "Error: the issuer 'mine' is disabled\n"
    enabled = lading("issuer", "enable", "mine", "--config", "service.conf", cwd=folder)
    assert (enabled.status, enabled.stdout) == (0, "mine is enabled\n")
    assert lading(*sign, cwd=folder).status == 0

    for printed in (listed, signed, again, disabled, refused, enabled):
        assert secret not in printed.stdout + printed.stderr
        assert SECRET not in printed.stdout + printed.stderr


def test_a_secret_of_ones_own_is_taken_from_a_file_and_not_printed(folder: Path) -> None:
    secret = "the operator's own secret, made elsewhere, which is long enough for HS384"
    create = (*CREATE, "--id", "own", "--algorithm", "HS384", "--secret-file")
    created = lading(*create, "-", cwd=folder, stdin=f"{secret}\n")
    assert (created.status, created.stdout, created.stderr) == (0, "id: own\n", "")
    signed = lading("token", "--issuer", "own", "--album", "holidays", cwd=folder)
    assert jwt.decode(signed.stdout.strip(), secret, algorithms=["HS384"])["iss"] == "own"


def test_a_token_says_what_was_asked_for(folder: Path) -> None:
    options = ("--album", "work", "--ability", "image_list", "--ability", "see", "--expires", "30d")
    printed = lading(*TOKEN, *options, cwd=folder)
    assert (printed.status, printed.stderr) == (0, "")
    said = claims(printed.stdout.strip())
    access = {"Access": {"image_list": True, "see": True}}
    assert said["abilities"] == {"holidays": access, "work": access}
    assert said["iss"] == ISSUER
    assert int(str(said["exp"])) - int(str(said["iat"])) == 30 * 86400


def test_without_options_a_token_uploads_downloads_and_lists_for_four_hours_and_an_admin_needs_no_album(
    folder: Path,
) -> None:
    said = claims(lading(*TOKEN, cwd=folder, environ={"LADING_DOCUMENTS__BACKEND": "memory"}).stdout.strip())
    access = {"Access": {"image_upload": True, "image_download": True, "image_list": True}}
    assert said["abilities"] == {"holidays": access}
    assert int(str(said["exp"])) - int(str(said["iat"])) == 4 * 3600
    admin = lading("token", "--issuer", ISSUER, "--admin", cwd=folder, environ={"LADING_CONFIG": "service.conf"})
    assert claims(admin.stdout.strip())["admin"] is True


def test_a_link_to_the_page_has_the_token_in_its_fragment(folder: Path) -> None:
    page = ("page", *TOKEN[1:])
    printed = lading(*page, cwd=folder, environ={"LADING_SERVICE__PORT": "80", "LADING_SERVICE__ADDRESS": "0.0.0.0"})
    url, _, signed = printed.stdout.strip().partition("#token=")
    said = claims(signed)
    assert (url, int(str(said["exp"])) - int(str(said["iat"]))) == ("http://127.0.0.1:80/", 3600)
    elsewhere = lading(*page, "--url", "https://images.example.org/", cwd=folder)
    assert elsewhere.stdout.startswith("https://images.example.org/#token=")
    environ = {"LADING_PAGE__ENABLED": "false"}
    assert "[page] enabled" in lading(*page, "--url", "http://a", cwd=folder, environ=environ).stderr


def test_where_there_are_no_issuers_the_list_says_where_it_looked(tmp_path: Path) -> None:
    printed = lading("issuer", "list", cwd=tmp_path)
    assert (printed.status, printed.stdout) == (0, "")
    place = tmp_path / "lading-data" / "lading.sqlite3"
    assert printed.stderr == f"The configuration and sqlite {place} have no issuers.\n"


# --- what is refused --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """A call that cannot work: what the message must say, and the exit status."""

    arguments: tuple[str, ...]
    says: tuple[str, ...]
    status: int = 1
    environ: dict[str, str] = field(default_factory=dict)
    stdin: str = ""


USAGE = 2
PRIVATE_KEY = private_pem(private_key("EdDSA"))
SERVE = ("serve", "--port", "0")
DEMO = ("demo", "--once", "--port", "0")
MEMORY = {"LADING_DOCUMENTS__BACKEND": "memory"}
IMAGES = {"LADING_STORAGE__BACKEND": "memory"}
WRONG: dict[str, dict[str, Wrong]] = {
    "usage": {
        "no such command": Wrong(("sevre",), ("'sevre'",), USAGE),
        "no such option": Wrong(("serve", "--prot", "80"), ("--prot",), USAGE),
        "no such config": Wrong(("serve", "--config", "elsewhere.conf"), ("--config", "'elsewhere.conf'"), USAGE),
        "no such config in the environment": Wrong(
            ("check",), ("--config", "'gone'"), USAGE, {"LADING_CONFIG": "gone"}
        ),
        "config is a folder": Wrong(("worker", "--config", "."), ("--config", "directory"), USAGE),
    },
    "configuration": {
        "config is no INI": Wrong((*SERVE, "--config", "broken.conf"), ("2 faults", "broken.conf:1", "broken.conf:2")),
        "config is no text": Wrong(("issuer", "list", "--config", "binary.conf"), ("binary.conf:2", "UTF-8")),
        "unknown option in config": Wrong((*SERVE, "--config", "unknown.conf"), ("[service] prot", "'port'")),
        "unknown variable": Wrong(SERVE, ("LADING_SERVICE__PROT", "PORT"), 1, {"LADING_SERVICE__PROT": "1"}),
        "port out of range": Wrong(("serve", "--port", "65536"), ("--port", "65536"), USAGE),
    },
    "what it needs": {
        "port in use": Wrong(("serve", "--port", "{taken}"), ("127.0.0.1 port {taken}", "in use")),
        "not our address": Wrong((*SERVE, "--address", "203.0.113.5"), ("203.0.113.5 port 0", "assign")),
        "address is no name": Wrong((*SERVE, "--address", "a..b"), ("a..b port 0", "host name")),
        "database is no database": Wrong(SERVE, ("{folder}/binary.conf",), 1, {"LADING_CONFIG": "in-binary.conf"}),
        "database of a worker is none": Wrong(("worker", "--config", "in-binary.conf"), ("{folder}/binary.conf",)),
        "database of issuers is none": Wrong((*LIST[:3], "in-binary.conf"), ("{folder}/binary.conf",)),
        "folder cannot be made": Wrong(
            SERVE, ("{folder}/a-file/x",), 1, {"LADING_DOCUMENTS_SQLITE__PATH": "a-file/x/lading.sqlite3"}
        ),
        "memory is not shared": Wrong(("worker",), ("[documents] backend: is memory",), 1, MEMORY),
        "images in memory are not shared with a worker": Wrong(
            ("worker",), ("[storage] backend: is memory",), 1, IMAGES
        ),
        "images in memory are not shared by processes": Wrong(
            (*SERVE, "--processes", "2"), ("[storage] backend: is memory",), 1, IMAGES
        ),
        "memory without a worker": Wrong(
            SERVE, ("[worker] enabled", "memory"), 1, {**MEMORY, "LADING_WORKER__ENABLED": "false"}
        ),
        "memory keeps no issuers": Wrong(CREATE, ("memory", "service.conf"), 1, MEMORY),
    },
    "issuers": {
        "unknown issuer": Wrong(("token", "--issuer", "nobody", "--album", "a"), ("'nobody'", "{folder}/lading-data")),
        "unknown issuer, in memory": Wrong((*TOKEN[:-1], "nobody"), ("'nobody'", "configuration"), 1, MEMORY),
        "unknown issuer disabled": Wrong(("issuer", "disable", "nobody"), ("'nobody'",)),
        "configured issuer disabled": Wrong(
            ("issuer", "disable", ISSUER, "--config", "service.conf"), (f"'{ISSUER}'", "configuration", "'enabled'")
        ),
        "unknown issuer's new key": Wrong(("issuer", "rotate", "nobody"), ("'nobody'",)),
        "configured issuer's new key": Wrong(
            ("issuer", "rotate", ISSUER, "--config", "service.conf"), (f"'{ISSUER}'", "previous_secret")
        ),
        "configured issuer created": Wrong(
            (*CREATE, "--config", "service.conf", "--id", ISSUER), (f"'{ISSUER}'", "configuration")
        ),
        "token of a disabled issuer": Wrong((*TOKEN[:-1], "disabled-issuer"), ("'disabled-issuer'", "disabled")),
        "no album": Wrong(("token", "--issuer", ISSUER), ("--album", "--admin"), USAGE),
        "page of any port": Wrong(("page", *TOKEN[1:]), ("--url", "port"), USAGE),
        "empty album": Wrong(("token", "--issuer", ISSUER, "--album", ""), ("--album",), USAGE),
    },
    "input": {
        "bad duration": Wrong((*TOKEN, "--expires", "4 hours"), ("--expires", "'4 hours'", "30d"), USAGE),
        "no duration": Wrong((*TOKEN, "--expires", "0s"), ("--expires", "'0s'"), USAGE),
        "id with a space": Wrong((*CREATE, "--id", "an id"), ("--id", "'an id'"), USAGE),
        "id that is no text": Wrong(("issuer", "enable", os.fsdecode(b"\xff")), ("ISSUER_ID",), USAGE),
        "empty organisation": Wrong(("issuer", "create", "--organization", ""), ("--organization",), USAGE),
        "secret in the arguments": Wrong((*CREATE, f"--secret={SECRET}"), ("--secret", "--secret-file"), USAGE),
        "public key for a secret": Wrong((*CREATE, "--public-key", "a-file"), ("HS256 uses a secret",), USAGE),
        "secret for a public key": Wrong(
            (*CREATE, "--algorithm", "ES256", "--secret-file", "a-file"), ("ES256 uses a public key",), USAGE
        ),
        "no public key": Wrong((*CREATE, "--algorithm", "RS256"), ("--public-key",), USAGE),
        "empty public key": Wrong((*CREATE, "--algorithm", "RS256", "--public-key", "a-file"), ("PEM", "2048")),
        "private key for a public one": Wrong(
            (*CREATE, "--algorithm", "EdDSA", "--public-key", "-"), ("private key",), 1, {}, PRIVATE_KEY
        ),
        "private key for a secret": Wrong((*CREATE, "--secret-file", "-"), ("more than one line",), 1, {}, PRIVATE_KEY),
        "private key of an issuer with a secret": Wrong(
            (*TOKEN, "--private-key", "-"), ("signs with its secret",), 1, {}, PRIVATE_KEY
        ),
        "short secret": Wrong((*CREATE, "--secret-file", "-"), ("11 bytes", "at least 32"), 1, {}, "hush-hush-1"),
        "secret that is no text": Wrong((*CREATE, "--secret-file", "binary.conf"), ("secret", "UTF-8")),
        "secret without an end": Wrong((*CREATE, "--secret-file", "/dev/zero"), ("secret", "8192 bytes")),
        "secret file that is gone": Wrong((*CREATE, "--secret-file", "gone"), ("--secret-file", "'gone'"), USAGE),
    },
    "demo": {
        "demo in a file": Wrong((*DEMO, "--directory", "a-file"), ("--directory", "'a-file'"), USAGE),
        "demo below a file": Wrong((*DEMO, "--directory", "a-file/demo"), ("a-file/demo",)),
        "demo over a configuration": Wrong((*DEMO, "--directory", "."), ("service.conf", "--directory")),
    },
}


def call(wrong: Wrong, folder: Path, port: int) -> tuple[Finished, tuple[str, ...]]:
    """Make a wrong call in a folder of its own; what it answered, and what its message must say.

    What click refuses before anything is done needs no process of its own.
    """
    (folder / "service.conf").write_text(CONF)
    (folder / "broken.conf").write_text(f"port = 80\nsecret = {SECRET}\n")
    (folder / "binary.conf").write_bytes(bytes(range(256)) * 16)
    (folder / "unknown.conf").write_text("[service]\nprot = 80\n")
    (folder / "in-binary.conf").write_text("[documents.sqlite]\npath = binary.conf\n")
    (folder / "a-file").touch()
    expected = {*folder.iterdir(), folder / "lading-data"}

    def filled(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text.replace("{taken}", str(port)).replace("{folder}", str(folder)) for text in texts)

    arguments = filled(wrong.arguments)
    if wrong.status == USAGE:
        with chdir(folder):
            result = CliRunner().invoke(main, arguments, env=wrong.environ, prog_name="lading")
        answer = Finished(result.exit_code, result.stdout, result.stderr)
    else:
        environ = {"LADING_SERVICE__LOG_FORMAT": "console", **wrong.environ}
        answer = lading(*arguments, cwd=folder, environ=environ, stdin=wrong.stdin)
    assert set(folder.iterdir()) <= expected, "it wrote where it had no business"
    assert (folder / "service.conf").read_text() == CONF
    return answer, filled(wrong.says)


@pytest.mark.sampled(3)
@pytest.mark.timeout(240)  # a dozen commands
@pytest.mark.parametrize("group", WRONG)
def test_what_is_wrong_is_said_in_one_message(tmp_path: Path, group: str) -> None:
    folders = {name: tmp_path / re.sub(r"\W", "-", name) for name in WRONG[group]}
    for folder in folders.values():
        folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        answers = {name: call(wrong, folders[name], port) for name, wrong in WRONG[group].items()}
    for name, (answer, says) in answers.items():
        wrong = WRONG[group][name]
        assert (answer.status, answer.stdout) == (wrong.status, ""), name
        assert "Traceback" not in answer.stderr, name
        # One message; a wrong call is told how it is to be called, too.
        introduction, *messages = re.split(r"^Error: ", answer.stderr, flags=re.MULTILINE)
        assert len(messages) == 1, name
        assert introduction.startswith("Usage: ") if wrong.status == USAGE else not introduction, name
        assert [said for said in says if said not in messages[0]] == [], (name, messages[0])
        assert SECRET not in answer.stderr, name
        assert not wrong.stdin or wrong.stdin not in answer.stderr, name


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("import gc; {serve}; print(gc.isenabled(), gc.get_stats()[2]['collections'])", "True 0"),
        ("import sys; {serve}; print('rich' in sys.modules); import rich.text", "False"),
    ],
    ids=["garbage", "rich"],
)
def test_a_start_is_lean_and_leaves_nothing_turned_off(tmp_path: Path, program: str, printed: str) -> None:
    serve = "from lading.__main__ import main; main.get_command(None, 'serve')"
    command = [sys.executable, "-P", "-c", program.format(serve=serve)]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == printed


@pytest.mark.parametrize("name", ["import", "bulk", "imports", "images", "login"])
def test_a_command_of_a_client_imports_nothing_of_the_service(tmp_path: Path, name: str) -> None:
    program = (
        "import sys; from lading.__main__ import main; main.get_command(None, sys.argv[1]);"
        "print({name.split('.')[2] for name in sys.modules if name.startswith('lading.service.')})"
    )
    command = [sys.executable, "-P", "-c", program, name]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "{'cli'}"
