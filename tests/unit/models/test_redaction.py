"""What is secret in parameters, and how they look without it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.models.redaction import filtered, filtered_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://b/k.jpg?X-Amz-Algorithm=A&X-Amz-Credential=A%2F1&X-Amz-Expires=60&X-Amz-SignedHeaders=host",
            "https://b/k.jpg?X-Amz-Algorithm=A&X-Amz-Credential=[FILTERED]&X-Amz-Expires=60&X-Amz-SignedHeaders=host",
        ),
        (
            "https://b/k.jpg?X-Amz-Security-Token=T&X-Amz-Signature=0f",
            "https://b/k.jpg?X-Amz-Security-Token=[FILTERED]&X-Amz-Signature=[FILTERED]",
        ),
        (
            "http://h/?AWSAccessKeyId=A&Expires=1&Signature=s",
            "http://h/?AWSAccessKeyId=[FILTERED]&Expires=1&Signature=[FILTERED]",
        ),
        (
            "http://h/?GoogleAccessId=a&X-Goog-Signature=s",
            "http://h/?GoogleAccessId=[FILTERED]&X-Goog-Signature=[FILTERED]",
        ),
        ("http://h/?sv=2020&se=2030&sr=b&sig=a%2Bb%3D", "http://h/?sv=2020&se=2030&sr=b&sig=[FILTERED]"),
        ("http://h/?Policy=p&Key-Pair-Id=k", "http://h/?Policy=[FILTERED]&Key-Pair-Id=[FILTERED]"),
        ("http://h/?a=1;ACCESS_TOKEN=t;b=2", "http://h/?a=1;ACCESS_TOKEN=[FILTERED];b=2"),
        ("http://h/?api%5Fkey=k", "http://h/?api%5Fkey=[FILTERED]"),
        ("http://h/??sig=k", "http://h/??sig=[FILTERED]"),
        ("http://h/?si\ng=k&to\r\n\tken=t", "http://h/?si\ng=[FILTERED]&to\r\n\tken=[FILTERED]"),
        ("http://h/?a?sig=k=k", "http://h/?a?sig=[FILTERED]"),
        ("http://h/#access_token=t", "http://h/#access_token=[FILTERED]"),
        ("http://h/?user[password]=p", "http://h/?user[password]=[FILTERED]"),
        ("http://h/?oauth_nonce=n", "http://h/?oauth_nonce=[FILTERED]"),
        ("http://h/?src=http%3A%2F%2Fb%2F%3Fsig%3Ds&w=1", "http://h/?src=[FILTERED]&w=1"),
        ("http://h/?src=http://me:hush@b/&w=1", "http://h/?src=http://[FILTERED]@b/&w=1"),
        ("sftp://me:hush@h/a?b", "sftp://[FILTERED]@h/a?b"),
        ("sftp://hush@h", "sftp://[FILTERED]@h"),
        ("sftp://me@corp:hu@sh@h/a@b", "sftp://[FILTERED]@h/a@b"),
    ],
)
def test_secrets_are_filtered(url: str, shown: str) -> None:
    assert filtered_url(url) == shown
    assert filtered_url(shown) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://lorempixel.com/100/100/",
        "http://h/signature=s/a.jpg",
        "http://h/@me/a.jpg",
        "http://h/?author=a&authority=b&w=1&monkey=2&keyword=3&e=mail@x.example",
        "http://h/?sig&token=",
        "http://h/?src=http%3A%2F%2Fb%2F%3Fw%3D1",
        "data:image/png;sig=1;base64,AAAA?sig=b@c",
        "",
    ],
)
def test_everything_else_stays(url: str) -> None:
    assert filtered_url(url) == url
    params = {"url": url, "headers": {}}
    assert filtered(params) is params


def test_values_of_headers_are_filtered_and_their_order_stays() -> None:
    params = {"a": 1, "headers": {"Z": "hush", "A": ""}, "url": "http://h/?sig=hush"}
    shown = filtered(params)
    assert list(shown.items()) == [
        ("a", 1),
        ("headers", {"Z": "[FILTERED]", "A": "[FILTERED]"}),
        ("url", "http://h/?sig=[FILTERED]"),
    ]
    assert params["url"] == "http://h/?sig=hush"
    assert filtered(shown) is shown


VALUES = st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.text())


@given(st.fixed_dictionaries({"url": st.text(alphabet="htp:/@?#&;=%23sigky.") | VALUES, "headers": VALUES}))
def test_nothing_is_filtered_twice(params: dict[str, Any]) -> None:
    once = filtered(params)
    assert filtered(once) is once


def test_a_long_url_takes_no_longer_for_each_of_its_characters() -> None:
    for piece in ("?", "&", "=", "&a=", "@", "://", "%", "sig=&", "?a"):
        filtered_url("http://h/" + piece * 100_000)
