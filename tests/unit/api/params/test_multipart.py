"""Multipart bodies."""

import pytest

from lading.service.api.params import (
    FilePartNotSupported,
    InvalidEncoding,
    MultipartInvalid,
    ParameterConflict,
    ParametersTooDeep,
    ParamLimits,
    TooManyParameters,
    parse_multipart,
)

LIMITS = ParamLimits()
TYPE = "multipart/form-data; boundary=frontier"


def part(disposition: str, content: bytes = b"v", *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--frontier\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


def test_reads_fields_with_nested_names_in_order() -> None:
    sent = body(
        part('name="url"', b"http://example.org/a?b=%41&c=+"),
        part('name="metadata[k]"', "ä\r\nö".encode(), "Content-Type: text/plain; charset=UTF-8"),
        part('name="tags[]"', b"1"),
        part('name="tags[]"', b""),
        part("name=plain", b"\0"),
        part('name="a%5Bb%5D"', b"x"),
    )
    params = parse_multipart(sent, TYPE, LIMITS)
    assert list(params.items()) == [
        ("url", "http://example.org/a?b=%41&c=+"),
        ("metadata", {"k": "ä\r\nö"}),
        ("tags", ["1", ""]),
        ("plain", "\0"),
        ("a%5Bb%5D", "x"),
    ]


@pytest.mark.parametrize(
    "content_type",
    ["Multipart/Form-Data; boundary=frontier", 'multipart/form-data; charset=utf-8; boundary="frontier"'],
)
def test_reads_the_boundary(content_type: str) -> None:
    assert parse_multipart(body(part('name="a"')), content_type, LIMITS) == {"a": "v"}


def test_a_body_without_parts_has_no_parameters() -> None:
    assert parse_multipart(b"", TYPE, LIMITS) == {}
    assert parse_multipart(body(), TYPE, LIMITS) == {}


def test_skips_a_file_input_with_nothing_chosen() -> None:
    sent = body(part('name="file"; filename=""', b"", "Content-Type: application/octet-stream"), part('name="a"'))
    assert parse_multipart(sent, TYPE, LIMITS) == {"a": "v"}


def test_refuses_a_file() -> None:
    with pytest.raises(FilePartNotSupported) as caught:
        parse_multipart(body(part('name="file"; filename="x.jpg"', b"\xff\xd8")), TYPE, LIMITS)
    assert (caught.value.code, caught.value.status) == ("file_part_not_supported", 422)
    assert caught.value.parameter == "file"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 71,
        'multipart/form-data; boundary="fron\ttier"',
        "multipart/form-data; boundary=\ud800",
        "multipart/mixed; boundary=frontier",
        "application/x-www-form-urlencoded",
    ],
)
def test_refuses_a_content_type_without_a_usable_boundary(content_type: str) -> None:
    with pytest.raises(MultipartInvalid) as caught:
        parse_multipart(body(part('name="a"')), content_type, LIMITS)
    assert caught.value.code == "multipart_invalid"


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n",
        b"no boundary at all",
        part('name="a"'),
        body(part('name="a"')).replace(b"\r\n", b"\n"),
        body(b"--frontier\r\n\r\nv\r\n"),
        body(b'--frontier\r\nContent-Disposition: attachment; name="a"\r\n\r\nv\r\n'),
        body(part('filename="x"').replace(b'filename="x"', b"x=y")),
        body(part('name="a"', b"v", "Content-Length: 9")),
        body(part('name="a"', b"v", "X: " + "y" * 5000)),
        body(part('name="a"', b"v", *(f"X-{n}: y" for n in range(8)))),
        body(part('name="a"').replace(b"a", b"\xff")),
    ],
)
def test_refuses_a_malformed_body(sent: bytes) -> None:
    with pytest.raises(MultipartInvalid):
        parse_multipart(sent, TYPE, LIMITS)


@pytest.mark.parametrize(
    "sent",
    [part('name="a"', b"\xff"), part('name="a"', b"v", "Content-Type: text/plain; charset=ISO-8859-1")],
)
def test_refuses_a_field_that_is_not_utf8(sent: bytes) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        parse_multipart(body(sent), TYPE, LIMITS)
    assert caught.value.parameter == "a"


def test_bounds_the_number_of_parts_and_the_depth() -> None:
    limits = ParamLimits(depth=2, pairs=2)
    assert parse_multipart(body(part('name="a[b]"'), part('name="c"')), TYPE, limits) == {"a": {"b": "v"}, "c": "v"}
    with pytest.raises(TooManyParameters):
        parse_multipart(body(part('name="a"'), part('name="a"'), part('name="a"')), TYPE, limits)
    with pytest.raises(ParametersTooDeep):
        parse_multipart(body(part('name="a[b][c]"')), TYPE, limits)


def test_refuses_a_parameter_of_two_kinds() -> None:
    with pytest.raises(ParameterConflict):
        parse_multipart(body(part('name="a"'), part('name="a[b]"')), TYPE, LIMITS)
