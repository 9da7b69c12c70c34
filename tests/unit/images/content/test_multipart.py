"""Several ranges as one body, read back by another's parser."""

from email.parser import BytesParser
from email.policy import HTTP

from hypothesis import given
from hypothesis import strategies as st

from lading.service.images.content.multipart import MultipartRanges, new_boundary
from lading.service.images.content.ranges import ByteRange


@given(
    st.binary(min_size=10, max_size=50),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=6),
)
def test_the_body_is_what_its_length_says_and_another_s_parser_reads_it(
    data: bytes, found: list[tuple[int, int]]
) -> None:
    ranges = [ByteRange(offset, min(length, len(data) - offset)) for offset, length in found]
    frame = MultipartRanges(ranges, "image/png", len(data))
    body = b"".join(frame.head(one) + data[one.offset : one.offset + one.length] for one in ranges) + frame.tail
    assert len(body) == frame.content_length
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {frame.media_type}\r\n\r\n".encode() + body)
    parts = list(message.iter_parts())
    assert [part["Content-Range"] for part in parts] == [one.content_range(len(data)) for one in ranges]
    assert {part["Content-Type"] for part in parts} == {"image/png"}


def test_boundaries_are_never_the_same_and_always_as_long() -> None:
    boundaries = {new_boundary() for _ in range(1000)}
    assert len(boundaries) == 1000
    assert {len(boundary) for boundary in boundaries} == {20}
