"""Rules that choose a storage: their syntax, and which imports fit."""

import re
from dataclasses import replace

import pytest

from lading.service.models import Import
from lading.service.models.routing import Rule, storage_by
from tests.support.plugins.scripted import make_import


def of(organization: str = "acme", issuer: str = "key-1", album: str | None = None) -> Import:
    return replace(make_import(issuer=issuer), organization_id=organization, params={"album_id": album})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("organization:acme=cdn", Rule("cdn", organization="acme")),
        ("issuer:key=1=cdn", Rule("cdn", issuer="key=1")),
        ("album:press-*=cdn", Rule("cdn", album="press-*")),
        ("album:a:b=cdn", Rule("cdn", album="a:b")),
        (" organization : acme & album : press * = cdn ", Rule("cdn", organization="acme", album="press *")),
        ("organization:a&issuer:b&album:c=d", Rule("d", "a", "b", "c")),
    ],
)
def test_rules(text: str, rule: Rule) -> None:
    assert Rule.parsed(text) == rule


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cdn", "'cdn' is no rule such as"),
        ("organization:acme", "'organization:acme' is no rule such as"),
        ("organization:acme=", "is no rule such as"),
        ("=cdn", "'' in the rule '=cdn' begins with none of organization:, issuer:, album:"),
        ("acme=cdn", "'acme' in the rule 'acme=cdn' begins with none of"),
        ("organisation:acme=cdn", "'organisation:acme' in the rule"),
        ("organization:=cdn", "'organization:' in the rule 'organization:=cdn' has no value"),
        ("album:a & =cdn", "'' in the rule"),
        ("album:a & album:b=cdn", "the rule 'album:a & album:b=cdn' has two conditions album:"),
    ],
)
def test_a_refused_rule_names_its_faulty_part(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        Rule.parsed(text)


RULES = [
    Rule.parsed(text)
    for text in (
        "organization:acme & album:Press-?=press",
        "organization:acme=acme",
        "issuer:partner=partner",
        "album:*=albums",
    )
]


@pytest.mark.parametrize(
    ("document", "storage"),
    [
        (of(album="Press-1"), "press"),
        (of(album="press-1"), "acme"),
        (of(album="Press-10"), "acme"),
        (of("acme2"), None),
        (of("ACME"), None),
        (of("other", "partner", "x"), "partner"),
        (of("other", album="x"), "albums"),
        (of("other", album=""), "albums"),
        (of("other"), None),
    ],
)
def test_the_first_rule_that_fits_counts(document: Import, storage: str | None) -> None:
    assert storage_by(RULES, document) == storage


@pytest.mark.parametrize(("album", "fits"), [("press[1]", True), ("press[1]x", True), ("press1", False)])
def test_brackets_in_a_pattern_stand_for_themselves(album: str, fits: bool) -> None:
    assert Rule.parsed("album:press[1]*=b").fits(of(album=album)) is fits
