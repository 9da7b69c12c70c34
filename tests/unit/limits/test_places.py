"""Places that requests hold: each issuer leaves room for the next one, however many come."""

from contextlib import ExitStack, suppress

import pytest

from lading.service.errors.catalogue import ApiError
from lading.service.imports.uploads.receiving import too_many
from lading.service.limits.places import Places


def filled(places: Places, held: ExitStack, issuer: str) -> int:
    """Take places for the issuer until it is refused; their number."""
    before = places.taken
    with suppress(ApiError):
        while True:
            held.enter_context(places.one(issuer))
    with pytest.raises(ApiError, match="receiving too many") as refused:
        held.enter_context(places.one(issuer))
    assert (refused.value.code, refused.value.retry_after) == ("too_many_uploads", 2)
    return places.taken - before


@pytest.mark.parametrize(
    ("number", "per_issuer", "hogs"),
    [
        (64, None, [32, 16, 8, 4, 2, 1, 1]),
        (500, 100, [100, 100, 100, 100, 50, 25, 13, 6, 3, 2, 1]),
        (4, None, [2, 1, 1]),
        (2, None, [1, 1]),
        (1, None, [1]),
    ],
)
def test_an_issuer_may_have_what_it_leaves_free(number: int, per_issuer: int | None, hogs: list[int]) -> None:
    places = Places(number, too_many, per_issuer)
    with ExitStack() as held:
        assert [filled(places, held, f"hog {one}") for one in range(len(hogs))] == hogs
        assert places.taken == sum(hogs)
    assert places.taken == 0


def test_places_that_come_back_are_taken_again() -> None:
    places = Places(8, too_many)
    with ExitStack() as held:
        for issuer in ("a", "a", "b"):
            held.enter_context(places.one(issuer))
    with ExitStack() as held:
        assert [filled(places, held, issuer) for issuer in ("a", "b")] == [4, 2]


def test_a_block_that_fails_gives_its_place_back() -> None:
    places = Places(1, too_many)
    with pytest.raises(KeyError), places.one("a"):
        raise KeyError
    assert places.taken == 0
