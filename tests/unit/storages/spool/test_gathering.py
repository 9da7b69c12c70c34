"""Pieces that wait come out as they went in, and few small ones are kept apart."""

from hypothesis import given
from hypothesis import strategies as st

from lading.service.storages.pieces import LONG, Gathered

PIECES = st.lists(st.one_of(st.binary(max_size=20), st.integers(0, 3 * LONG).map(bytes)), max_size=40)


@given(PIECES, PIECES)
def test_pieces_come_out_as_they_went_in(first: list[bytes], second: list[bytes]) -> None:
    gathered = Gathered()
    for pieces in (first, second):
        for piece in pieces:
            gathered.add(piece)
        assert gathered.byte_size == sum(map(len, pieces))
        assert gathered.take() == b"".join(pieces)
        assert gathered.byte_size == 0
    assert gathered.take() == b""


def test_a_single_long_piece_is_not_copied() -> None:
    gathered, piece = Gathered(), bytes(LONG)
    gathered.add(piece)
    assert gathered.take() is piece


def test_pieces_can_be_had_as_they_are() -> None:
    gathered, long = Gathered(), [bytes([number]) * LONG for number in range(3)]
    for piece in (long[0], b"a", b"b", long[1], long[2]):
        gathered.add(piece)
    found = gathered.take_pieces()
    assert found == [long[0], b"ab", long[1], long[2]]
    assert found[0] is long[0]
    assert (gathered.byte_size, gathered.take_pieces()) == (0, [])


def test_of_many_small_pieces_few_are_kept() -> None:
    gathered = Gathered()
    for _ in range(300_000):
        gathered.add(b"xyz")
    assert len(gathered._pieces) < 20
