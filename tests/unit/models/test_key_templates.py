"""Templates of storage keys: which are refused, and what they make of what clients and operators name."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lading.plugins.keys import MAX_KEY_LENGTH, is_key
from lading.service.models import Import
from lading.service.models.key_templates import DEFAULT_KEYS, MAX_VALUE_LENGTH, KeyTemplate, encoded
from tests.support.plugins.scripted import make_import

EVERYTHING: Final = KeyTemplate.parsed("images/{organization}/{album}/{date}.{shard}/{id}")
DOCUMENT = replace(
    make_import(organization_id="acme"),
    id="f60ae96b-2681-4885-8437-356e9fae9f6e",
    created_at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
)


def of(album: str | None, organization: str = "acme") -> Import:
    return replace(DOCUMENT, organization_id=organization, params={"album_id": album})


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{id}", "f60ae96b-2681-4885-8437-356e9fae9f6e"),
        ("{shard}/{id}", DOCUMENT.own_key),
        ("{organization}/{album}/{date}/{id}", "acme/summer_202026/2026-12-31/f60ae96b-2681-4885-8437-356e9fae9f6e"),
        ("a-{album}.b/{id}", "a-summer_202026.b/f60ae96b-2681-4885-8437-356e9fae9f6e"),
    ],
)
def test_a_template_makes_a_key_and_knows_it_again(template: str, key: str) -> None:
    made = KeyTemplate.parsed(template)
    assert made.key_of(of("summer 2026")) == key
    assert made.makes(key)
    assert not made.makes(key + "0")
    assert not made.makes("x/" + key)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has an empty segment"),
        ("{album}", "must have {id} once, as its last segment"),
        ("{id}/{album}", "must have {id} once, as its last segment"),
        ("{id}/{id}", "must have {id} once, as its last segment"),
        ("{album}-{id}", "must have {id} once, as its last segment"),
        ("{album}/{id}.jpg", "must have {id} once, as its last segment"),
        ("{tenant}/{id}", "has the unknown placeholder {tenant}; the placeholders are {organization}, {album}"),
        ("{Album}/{id}", "has the unknown placeholder {Album}"),
        ("{}/{id}", "has the unknown placeholder {}"),
        ("{album/{id}", "has '{album/', and a key has the characters"),
        ("album}/{id}", "has 'album}/', and a key has the characters"),
        ("Photos/{id}", "has 'Photos/', and a key has the characters a-z 0-9 - _ . / only"),
        ("my photos/{id}", "has 'my photos/'"),
        ("été/{id}", "has 'été/'"),
        ("/{id}", "has an empty segment"),
        ("a//{id}", "has an empty segment"),
        ("../{id}", "has the segment '..', which begins with a dot"),
        (".{album}/{id}", "has the segment '.{album}', which begins with a dot"),
        ("{album}/{album}/{album}/{album}/{id}", "makes keys of up to 296 characters; 245 are the most"),
        (f"{'a' * 209}/{{id}}", "makes keys of up to 246 characters"),
    ],
)
def test_a_refused_template_names_its_faulty_part(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        KeyTemplate.parsed(text)
    assert KeyTemplate.parsed(f"{'a' * 208}/{{id}}").text


ENCODED: Mapping[str, str] = {
    "": "_",
    "summer": "summer",
    "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1": "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1",
    "Summer": "_53ummer",
    "_53ummer": "_5f53ummer",
    "../..": "_2e_2e_2f_2e_2e",
    "a.b": "a_2eb",
    "\0": "_00",
    "é": "_c3_a9",
    "\ud800": "_ed_a0_80",
}


@pytest.mark.parametrize("text", ENCODED)
def test_a_name_becomes_safe_characters(text: str) -> None:
    assert encoded(text) == ENCODED[text]


def test_a_long_name_is_cut_and_stays_apart_from_others() -> None:
    assert encoded("a" * MAX_VALUE_LENGTH) == "a" * MAX_VALUE_LENGTH
    long = [encoded("a" * number) for number in range(MAX_VALUE_LENGTH + 1, MAX_VALUE_LENGTH + 9)]
    assert {len(one) for one in long} == {MAX_VALUE_LENGTH}
    assert len(set(long)) == 8


@example("", "")
@example("/", "_2f")
@example("\ud800" * 300, "a" * 5000)
@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=200))
def test_every_name_makes_a_key_and_no_two_share_a_folder(one: str, other: str) -> None:
    key = EVERYTHING.key_of(of(one, other))
    assert is_key(key)
    assert len(key) <= MAX_KEY_LENGTH
    assert EVERYTHING.makes(key)
    assert key.rpartition("/")[2] == DOCUMENT.id
    assert (encoded(one) == encoded(other)) is (one == other)


def test_an_import_keeps_its_key() -> None:
    """The document has the key: attempts, retries and the image use it, whatever the template says by then."""
    document = replace(DOCUMENT, key=EVERYTHING.key_of(DOCUMENT))
    assert document.own_key == document.storage_key == "images/acme/_/2026-12-31.f6/" + DOCUMENT.id
    assert DEFAULT_KEYS.key_of(document) == DOCUMENT.own_key == "f6/" + DOCUMENT.id
