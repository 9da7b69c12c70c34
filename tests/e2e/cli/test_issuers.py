"""``lading issuer rotate`` and issuers with public keys, as a stranger uses them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from tests.support.servers.processes import lading
from tests.support.tokens import private_key, private_pem, public_pem

CREATE = ("issuer", "create", "--organization", "acme", "--id", "mine")
ROTATE = ("issuer", "rotate", "mine")
TOKEN = ("token", "--issuer", "mine", "--album", "holidays")


def previous_of(folder: Path) -> str:
    """What the list says of the previous key of the one issuer."""
    _, row = lading("issuer", "list", cwd=folder).stdout.splitlines()
    return row.partition("documents")[2].strip()


def until(text: str) -> datetime:
    match = re.search(r"accepted until (\S+)$", text.strip())
    assert match is not None, text
    return datetime.fromisoformat(match[1])


def test_a_secret_is_changed_and_the_one_before_it_stays_for_a_day(tmp_path: Path) -> None:
    old = lading(*CREATE, cwd=tmp_path).stdout.split()[-1]
    assert previous_of(tmp_path) == "-"
    rotated = lading(*ROTATE, cwd=tmp_path)
    match = re.fullmatch(r"id: mine\nsecret: (\S{64,})\nprevious key: accepted until \S+\n", rotated.stdout)
    assert (rotated.status, rotated.stderr) == (0, "")
    assert match is not None
    assert match[1] != old
    left = until(rotated.stdout) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    assert until(previous_of(tmp_path)) == until(rotated.stdout)
    assert jwt.decode(lading(*TOKEN, cwd=tmp_path).stdout.strip(), match[1], algorithms=["HS256"])["iss"] == "mine"

    again = lading(*ROTATE, "--grace", "30d", cwd=tmp_path)
    assert again.stderr == "Lading now refuses the key before the previous key.\n"
    assert until(previous_of(tmp_path)) - datetime.now(UTC) > timedelta(days=29)

    leaked = lading(*ROTATE, "--grace", "none", cwd=tmp_path)
    assert leaked.stdout.endswith("\nprevious key: refused\n")
    assert previous_of(tmp_path) == "-"


def test_an_issuer_with_a_public_key(tmp_path: Path) -> None:
    for number in (0, 1):
        key = private_key("ES256", number)
        (tmp_path / f"public-{number}.pem").write_text(public_pem(key))
        (tmp_path / f"private-{number}.pem").write_text(private_pem(key))
    created = lading(*CREATE, "--algorithm", "ES256", "--public-key", "public-0.pem", cwd=tmp_path)
    assert (created.status, created.stdout, created.stderr) == (0, "id: mine\n", "")
    unsigned = lading(*TOKEN, cwd=tmp_path)
    assert (unsigned.status, unsigned.stdout) == (1, "")
    assert "'mine' has only a public key, which cannot sign" in unsigned.stderr
    assert "--private-key" in unsigned.stderr
    signed = lading(*TOKEN, "--private-key", "private-0.pem", cwd=tmp_path)
    public = (tmp_path / "public-0.pem").read_text()
    assert jwt.decode(signed.stdout.strip(), public, algorithms=["ES256"])["iss"] == "mine"

    for wrong, says in (
        (ROTATE, "ES256 uses a public key"),
        ((*ROTATE, "--secret-file", "public-1.pem"), "ES256 uses a public key"),
        ((*ROTATE, "--public-key", "public-0.pem"), "the issuer 'mine' already has this key"),
        ((*ROTATE, "--public-key", "private-1.pem"), "this is a private key"),
    ):
        refused = lading(*wrong, cwd=tmp_path)
        assert (refused.status != 0, refused.stdout) == (True, "")
        assert says in refused.stderr
        assert (tmp_path / "private-1.pem").read_text().splitlines()[1] not in refused.stderr

    rotated = lading(*ROTATE, "--public-key", "public-1.pem", cwd=tmp_path)
    assert rotated.stdout.startswith("id: mine\nprevious key: accepted until ")
    assert lading(*TOKEN, "--private-key", "private-1.pem", cwd=tmp_path).status == 0
    refused = lading(*TOKEN, "--private-key", "private-0.pem", cwd=tmp_path)
    assert "does not belong to the public key" in refused.stderr
