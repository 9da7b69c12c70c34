"""What may be expected of an image, and what is not met."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.errors.catalogue import ApiError
from lading.service.work.pipeline.expectations import (
    RULES,
    ExpectationFailed,
    Facts,
    check_expectations,
    validate_expectations,
)

FACTS = Facts("JPEG", "image/jpeg", 64, 48, 6, 1, 1000, "0f" * 32)


@pytest.mark.parametrize(
    "expect",
    [
        None,
        {},
        {"sha256": "0f" * 32, "format": "JPEG", "content_type": "image/jpeg"},
        {"min_width": "64", "max_width": "64", "min_height": 48, "max_height": 48, "min_frames": "1", "max_frames": 1},
        {"min_byte_size": "0", "max_byte_size": "1000"},
    ],
)
def test_met(expect: Any) -> None:
    validate_expectations(expect)
    check_expectations(expect, FACTS)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("sha256", "00" * 32, "0f" * 32),
        ("format", "PNG", "JPEG"),
        ("content_type", "image/png", "image/jpeg"),
        ("min_width", "65", 64),
        ("max_width", 63, 64),
        ("min_height", "49", 48),
        ("max_height", "47", 48),
        ("max_frames", "0", 1),
        ("min_byte_size", "1001", 1000),
        ("max_byte_size", "999", 1000),
    ],
)
def test_not_met(name: str, value: Any, found: Any) -> None:
    validate_expectations({name: value})
    with pytest.raises(ExpectationFailed) as raised:
        check_expectations({name: value}, FACTS)
    assert f"expect[{name}]" in raised.value.detail
    assert str(found) in raised.value.detail
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("expect", "parameter"),
    [
        ("x", "expect"),
        (["x"], "expect"),
        ({"colour": "red"}, "expect[colour]"),
        ({"min_width": "-1"}, "expect[min_width]"),
        ({"min_width": "1.5"}, "expect[min_width]"),
        ({"min_width": True}, "expect[min_width]"),
        ({"min_width": None}, "expect[min_width]"),
        ({"max_width": "9" * 20}, "expect[max_width]"),
        ({"sha256": "0F" * 32}, "expect[sha256]"),
        ({"sha256": "00"}, "expect[sha256]"),
        ({"content_type": "jpeg"}, "expect[content_type]"),
        ({"format": "jpeg"}, "expect[format]"),
    ],
)
def test_what_can_never_be_meant(expect: Any, parameter: str) -> None:
    with pytest.raises(ApiError) as raised:
        validate_expectations(expect)
    assert (raised.value.code, raised.value.parameter) == ("parameter_invalid", parameter)


@pytest.mark.parametrize("expect", [{"foo": "1"}, {"min_width": "wide"}])
def test_what_was_accepted_before_it_meant_anything_is_not_met(expect: Any) -> None:
    with pytest.raises(ExpectationFailed):
        check_expectations(expect, FACTS)


@given(st.dictionaries(st.sampled_from(list(RULES)) | st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_what_is_accepted_can_be_judged(expect: dict[str, Any]) -> None:
    try:
        validate_expectations(expect)
    except ApiError:
        return
    try:
        check_expectations(expect, FACTS)
    except ExpectationFailed as error:
        assert error.facts["expectation"] in expect  # noqa: PT017


FORMATS = {"JPEG": frozenset({"image/jpeg"}), "JPEG2000": frozenset({"image/jp2", "image/j2c"})}


@pytest.mark.parametrize(
    ("expect", "parameter", "reason"),
    [
        ({"min_width": 10, "max_width": "5"}, "expect[max_width]", "is less than expect[min_width]"),
        ({"max_byte_size": "9", "min_byte_size": 10}, "expect[max_byte_size]", "is less than expect[min_byte_size]"),
        ({"format": "PNG"}, "expect[format]", "the formats are JPEG, JPEG2000"),
        ({"content_type": "image/png"}, "expect[content_type]", "the media types are image/j2c, image/jp2, image/jpeg"),
        (
            {"content_type": "image/jpeg", "format": "JPEG2000"},
            "expect[content_type]",
            "those of JPEG2000 are image/j2c, image/jp2",
        ),
    ],
)
def test_what_no_image_can_meet_is_refused(expect: Any, parameter: str, reason: str) -> None:
    with pytest.raises(ApiError) as raised:
        validate_expectations(expect, FORMATS)
    assert (raised.value.code, raised.value.parameter) == ("parameter_invalid", parameter)
    assert reason in raised.value.detail


def test_what_some_image_may_meet_is_not_refused() -> None:
    validate_expectations(
        {"min_width": 5, "max_width": "5", "format": "JPEG2000", "content_type": "image/j2c"}, FORMATS
    )
    validate_expectations({"format": "SVG", "content_type": "image/svg+xml"}, None)
