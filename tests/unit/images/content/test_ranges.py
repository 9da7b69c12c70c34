"""Which bytes a ``Range`` header asks for."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lading.service.images.content.ranges import (
    MAX_RANGES,
    ByteRange,
    RangeNotSatisfiable,
    range_applies,
    wanted_ranges,
)

SIZE = 1000
ETAG = '"0f"'
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DATE = "Fri, 02 Jan 2026 03:04:05 GMT"


def asked(header: str | None, byte_size: int = SIZE) -> list[tuple[int, int]]:
    """First and last byte of each range."""
    return [(one.offset, one.offset + one.length - 1) for one in wanted_ranges(header, byte_size)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=0-", [(0, 999)]),
        ("bytes=999-", [(999, 999)]),
        ("bytes=-1", [(999, 999)]),
        ("bytes=-1000", [(0, 999)]),
        ("bytes=-5000", [(0, 999)]),
        ("bytes=500-499,7-8", [(7, 8)]),
        ("bytes=5-1000000", [(5, 999)]),
        ("bytes=0-0,-1", [(0, 0), (999, 999)]),
        ("bytes=9-10,0-1,5-6", [(9, 10), (0, 1), (5, 6)]),
        ("bytes=2000-,3-4", [(3, 4)]),
        ("BYTES=1-2", [(1, 2)]),
        ("bytes= 1 - 2 , 4 - 5 ", [(1, 2), (4, 5)]),
        (f"bytes={'0' * 5000}1-2", [(1, 2)]),
        (f"bytes=5-{2**63 - 1}", [(5, 999)]),
        (f"bytes=0-{2**63}", [(0, 999)]),
        (f"bytes=0-{'9' * 5000}", [(0, 999)]),
        (f"bytes=0-{'0' * 5000}1", [(0, 1)]),
        (f"bytes=-{2**64}", [(0, 999)]),
        (f"bytes={2**64}-,3-4", [(3, 4)]),
    ],
)
def test_ranges(header: str, expected: list[tuple[int, int]]) -> None:
    assert asked(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=",
        "bytes",
        "bytes 0-1",
        "items=0-1",
        "none",
        "bytes=0-999,0-0",
        "bytes=0-,0-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES + 1)),
    ],
)
def test_the_whole_is_sent(header: str | None) -> None:
    assert asked(header) == []


def test_as_many_ranges_as_are_allowed() -> None:
    assert len(asked("bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES)))) == MAX_RANGES


@pytest.mark.parametrize(
    "header",
    [
        "bytes=1000-",
        "bytes=1000-2000",
        "bytes=-0",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=-",
        "bytes=--1",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=,",
        "bytes=0-1,",
        "bytes=,0-1",
        "bytes=- 1",
        "bytes=0x1-2",
        "bytes=1-2;3-4",
        "bytes=1\t-2",
        "bytes=１-２",
        "bytes=+1-2",
        f"bytes={2**63}-",
        f"bytes={'9' * 10_000}-{'9' * 10_000}",
    ],
)
def test_what_cannot_be_answered(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        asked(header)


numbers = st.integers(0, 30) | st.integers(0, 2**64)
specs = st.tuples(st.none() | numbers, st.none() | numbers).map(
    lambda one: "-".join("" if number is None else str(number) for number in one)
)


@given(
    header=st.lists(specs, min_size=1, max_size=20).map(lambda found: "bytes=" + ",".join(found)),
    size=st.integers(1, 40),
)
@example("bytes=0-0,1-1", 2)
def test_what_is_answered_exists_and_is_no_longer_than_the_whole(header: str, size: int) -> None:
    try:
        ranges = wanted_ranges(header, size)
    except RangeNotSatisfiable:
        return
    assert len(ranges) <= MAX_RANGES
    assert sum(one.length for one in ranges) <= size
    for one in ranges:
        assert 0 <= one.offset < one.offset + one.length <= size


@given(
    data=st.binary(min_size=1, max_size=60),
    specs=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=5),
)
def test_ranges_are_slices(data: bytes, specs: list[tuple[int, int]]) -> None:
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in specs)
    slices = [data[first : last + 1] for first, last in specs if data[first : last + 1]]
    try:
        ranges = wanted_ranges(header, len(data))
    except RangeNotSatisfiable:
        assert not slices
        return
    if ranges:
        assert [data[one.offset : one.offset + one.length] for one in ranges] == slices
    else:
        assert sum(map(len, slices)) > len(data)


@given(data=st.binary(min_size=1, max_size=60), count=st.integers(0, 100))
def test_a_suffix_is_the_end(data: bytes, count: int) -> None:
    try:
        (found,) = wanted_ranges(f"bytes=-{count}", len(data))
    except RangeNotSatisfiable:
        assert count == 0
    else:
        assert data[found.offset : found.offset + found.length] == data[-count:]


@given(header=st.text() | st.text(alphabet="bytes=0123456789-, ").map("bytes=".__add__), size=st.integers(1, 2**63))
def test_no_header_breaks_it(header: str, size: int) -> None:
    with suppress(RangeNotSatisfiable):
        assert isinstance(wanted_ranges(header, size), tuple)


def test_content_range() -> None:
    assert ByteRange(0, 1).content_range(5) == "bytes 0-0/5"
    assert ByteRange(2, 3).content_range(5) == "bytes 2-4/5"


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (None, True),
        (ETAG, True),
        (DATE, True),
        ("Friday, 02-Jan-26 03:04:05 GMT", True),
        (f"W/{ETAG}", False),
        ('"other"', False),
        (f'{ETAG}, "other"', False),
        ("*", False),
        ("", False),
        ("0f", False),
        ("Fri, 02 Jan 2026 03:04:06 GMT", False),
        ("Fri, 02 Jan 2026 03:04:04 GMT", False),
        ("nonsense", False),
    ],
)
def test_if_range(if_range: str | None, applies: bool) -> None:
    assert range_applies(if_range, ETAG, MODIFIED) is applies


def test_a_moment_of_other_precision_never_applies() -> None:
    assert not range_applies(DATE, ETAG, MODIFIED + timedelta(seconds=1))
