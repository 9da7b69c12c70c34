"""Issuers in the configuration."""

from pathlib import Path

import pytest

from lading.service.models.issuers import Algorithm, Issuer
from tests.support.tokens import PUBLIC_NAMES, key_text, private_key, private_pem
from tests.unit.config.test_settings import ISSUER, SECRET, faults_of, load, the_fault

PUBLIC = "[issuer.key-1]\norganization_id = acme\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "service.conf"


def test_an_issuer_has_its_defaults(conf: Path) -> None:
    settings = load(conf, ISSUER)
    assert settings.issuers == {"key-1": Issuer(id="key-1", organization_id="acme", key=SECRET)}


def test_an_issuer_may_set_everything(conf: Path) -> None:
    settings = load(
        conf,
        ISSUER + f"algorithm = HS512\nenabled = 0\nrequire_exp = off\n[issuer.b]\n{ISSUER[15:]}",
        LADING_ISSUER_KEY_1__SECRET=SECRET * 2,
    )
    assert list(settings.issuers) == ["key-1", "b"]
    assert settings.issuers["key-1"] == Issuer(
        id="key-1",
        organization_id="acme",
        key=SECRET * 2,
        algorithm=Algorithm.HS512,
        enabled=False,
        require_exp=False,
    )


def test_an_issuer_needs_its_organisation_and_secret(conf: Path) -> None:
    faults = faults_of(conf, "[issuer.key-1]\nenabled = yes\n")
    assert {(fault.key, fault.problem) for fault in faults} == {
        ("organization_id", "is required"),
        ("secret", "is required"),
    }


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none", "RS512"])
def test_a_weak_secret_or_another_algorithm_is_refused(conf: Path, algorithm: str) -> None:
    fault = the_fault(conf, f"{ISSUER}algorithm = {algorithm}\n")
    assert fault.section == "issuer.key-1"
    assert fault.key == ("secret" if algorithm in ("HS384", "HS512") else "algorithm")
    assert SECRET not in str(fault)


def test_an_issuer_may_have_a_public_key_and_the_one_before_it(conf: Path) -> None:
    for name in PUBLIC_NAMES:
        (conf.parent / "new.pem").write_text(key_text(name))
        (conf.parent / "old.pem").write_text(f"the old one\n{key_text(name, 1)}")
        section = f"{PUBLIC}algorithm = {name}\npublic_key = $file:new.pem\nprevious_public_key = $file:old.pem\n"
        issuer = Issuer("key-1", "acme", key_text(name), Algorithm(name), previous_key=key_text(name, 1))
        assert load(conf, section).issuers == {"key-1": issuer}


def test_an_issuer_may_have_the_secret_before_too(conf: Path) -> None:
    for written, previous in ((SECRET[::-1], SECRET[::-1]), ("", None)):
        issuers = load(conf, f"{ISSUER}previous_secret = {written}\n").issuers
        assert issuers == {"key-1": Issuer("key-1", "acme", SECRET, previous_key=previous)}


@pytest.mark.parametrize(
    ("options", "key", "problem"),
    [
        ("algorithm = ES256\n", "public_key", "is required"),
        ("algorithm = ES256\npublic_key =\n", "public_key", "is required"),
        ("algorithm = ES256\npublic_key = hush-hush\n", "public_key", "not a public key in PEM"),
        ("algorithm = ES256\npublic_key = $file:rsa.pem\n", "public_key", "ES256 needs an elliptic curve key on P-256"),
        ("algorithm = EdDSA\npublic_key = $file:private.pem\n", "public_key", "this is a private key"),
        (
            "algorithm = RS256\npublic_key = $file:rsa.pem\nprevious_public_key = hush\n",
            "previous_public_key",
            "not a public key in PEM",
        ),
        ("algorithm = RS256\npublic_key = $file:rsa.pem\nsecret = hush\n", "secret", "needs 'public_key'"),
        (f"secret = {SECRET}\npublic_key = $file:rsa.pem\n", "public_key", "is not for HS256, which needs 'secret'"),
        (f"secret = {SECRET}\nprevious_secret = hush\n", "previous_secret", "the secret has 4 bytes"),
        ("secret = $file:private.pem\n", "secret", "cannot be used with HS256"),
        ("secret =\n", "secret", "is required"),
    ],
)
def test_a_key_that_does_not_fit_is_named_and_not_shown(conf: Path, options: str, key: str, problem: str) -> None:
    (conf.parent / "rsa.pem").write_text(key_text("RS256"))
    (conf.parent / "private.pem").write_text(private_pem(private_key("EdDSA")))
    fault = the_fault(conf, PUBLIC + options)
    assert (fault.section, fault.key) == ("issuer.key-1", key)
    assert problem in fault.problem
    assert not any(text in str(fault) for text in ("hush", "BEGIN", SECRET))


@pytest.mark.parametrize("issuer_id", ["", " ", "a b", "x" * 256, "a\tb"])
def test_an_issuer_needs_a_sane_id(conf: Path, issuer_id: str) -> None:
    fault = the_fault(conf, ISSUER.replace("key-1", issuer_id))
    assert fault.problem == "the id must be 1 to 255 printable characters without spaces"
