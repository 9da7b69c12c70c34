"""What is secret on its way from the request to the fetch."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from lading.service.models import Import
from lading.service.secrets.vault import SecretsUnreadable, Vault, check_key
from tests.conformance.documents.cases.base import SettableClock, make_import

URL = "http://host.example/?sig=s3cr3t&é=\0"
HEADERS = {"Authorization": "s3cr3t", "é": ""}
OLD, NEW = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in range(2))


def sealed(vault: Vault, **params: Any) -> Import:
    return replace(make_import(SettableClock()), sealed=vault.seal({"url": URL, **params}))


@pytest.mark.parametrize("keys", [(), (OLD,), (NEW, OLD)])
@pytest.mark.parametrize("headers", [None, {}, HEADERS])
def test_what_is_sealed_is_opened(keys: tuple[str, ...], headers: dict[str, str] | None) -> None:
    vault = Vault(keys)
    document = sealed(vault, headers=headers)
    source = vault.sources(document)[0]
    assert (source.url, source.headers) == (URL, headers or {})
    assert ("s3cr3t" in str(document.sealed)) is not bool(keys)
    assert not any(key in repr(vars(vault)) for key in keys)


def test_keys_are_changed_one_after_the_other() -> None:
    without, old, both, new = Vault(), Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    for before in (without, old, both):
        assert both.sources(sealed(before))[0].url == URL
    assert new.sources(sealed(both))[0].url == URL
    assert new.sources(sealed(without))[0].url == URL


@pytest.mark.parametrize(("sealing", "opening"), [((OLD,), (NEW,)), ((OLD,), ()), ((NEW, OLD), (OLD,))])
def test_without_its_key_it_is_unreadable_and_says_so(sealing: tuple[str, ...], opening: tuple[str, ...]) -> None:
    document = sealed(Vault(sealing))
    with pytest.raises(SecretsUnreadable, match="encryption_keys") as caught:
        Vault(opening).sources(document)[0]
    assert not any(text in str(caught.value) for text in (*sealing, *opening, str(document.sealed)))


MIRRORS = {
    "http://a.example/1": True,
    "http://b.example/": False,
    "HTTP://A.example:80/2": True,
    "https://a.example/": False,
    "http://a.example:8080/": False,
    "http://b%2eexample/": False,
    "sftp://a.example/": False,
    "not a url": False,
}


@pytest.mark.parametrize("seal", [True, False])
def test_secret_headers_go_to_mirrors_of_the_first_origin_alone(seal: bool) -> None:
    headers = {"Authorization": "s3cr3t", "X-Api-Key": "s3cr3t", "user-agent": "Mozilla/5.0", "Referer": "http://r/"}
    params = {"url": list(MIRRORS), "headers": headers}
    vault, document = Vault(), make_import(SettableClock())
    document = replace(document, sealed=vault.seal(params)) if seal else replace(document, params=params)
    sources = vault.sources(document)
    assert [source.url for source in sources] == list(MIRRORS)
    assert ["s3cr3t" in str(source.headers) for source in sources] == list(MIRRORS.values())
    assert all(source.headers["user-agent"] == "Mozilla/5.0" for source in sources)


def test_headers_for_a_url_without_an_origin_go_to_no_other() -> None:
    document = replace(
        make_import(SettableClock()), params={"url": ["data:,a", "data:,b", "http://a/"], "headers": HEADERS}
    )
    assert [bool(source.headers) for source in Vault().sources(document)] == [True, False, False]


@pytest.mark.parametrize("seal", [True, False])
def test_each_source_says_whose_it_is(seal: bool) -> None:
    vault, document = Vault([OLD]), make_import(SettableClock())
    params = {"url": ["http://a/", "http://b/"], "album_id": "summer", "headers": {}}
    document = replace(document, params=params, sealed=vault.seal(params) if seal else None)
    sources = vault.sources(document)
    whose = (document.organization_id, document.issuer_id, "summer")
    assert [(one.organization_id, one.issuer_id, one.album_id) for one in sources] == [whose, whose]
    shown = repr(replace(sources[0], url="http://a/?key=s3cr3t", headers={"Authorization": "s3cr3t"}))
    assert "s3cr3t" not in shown


def test_what_was_changed_in_the_database_is_unreadable() -> None:
    vault = Vault([OLD])
    document = sealed(vault)
    text = str(document.sealed)
    with pytest.raises(SecretsUnreadable):
        vault.sources(replace(document, sealed=text[:-9] + ("A" if text[-9] != "A" else "B") + text[-8:]))


def test_an_import_without_secrets_or_of_an_earlier_version_is_fetched_as_it_is() -> None:
    document = replace(make_import(SettableClock()), params={"url": URL, "headers": HEADERS})
    source = Vault([OLD]).sources(document)[0]
    assert (source.url, source.headers) == (URL, HEADERS)


def test_a_generated_key_is_a_key() -> None:
    check_key(Fernet.generate_key().decode())
    for text in ("", "hush", OLD[:-4], OLD + "AAAA", OLD.replace("=", ""), json.dumps(OLD), "\ud800" * 44, "é" * 44):
        with pytest.raises(ValueError, match="is not a key of 32 bytes") as caught:
            check_key(text)
        assert not text or text not in str(caught.value)
