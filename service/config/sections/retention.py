"""The section about old imports."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ..fields import Section, none_if_empty, quotas

LEAST = 3600
"""Seconds: whoever takes the options for days is told so before anything is gone."""
MOST = 3_153_600_000

_Kept = Annotated[int | None, BeforeValidator(none_if_empty)]


def _keep_or_long(value: int) -> int:
    if 0 < value < LEAST:
        raise ValueError(f"has a number that is neither 0 nor at least {LEAST}")
    return value


def _exceptions(value: Any) -> Any:
    try:
        return quotas(value)
    except ValueError:
        raise ValueError("is not a list such as drafts-*=86400, archive=0, with each pattern once") from None


def _kept(status: str) -> Any:
    return Field(
        None,
        ge=LEAST,
        le=MOST,
        description=f"Seconds that Lading keeps {status}. Empty keeps them for ever.",
    )


class RetentionSettings(Section):
    """``[retention]``: how long final imports are kept. Nothing is removed by default."""

    done: _Kept = _kept("a done import after its last change")
    failed: _Kept = _kept("a failed import after its failure")
    cancelled: _Kept = _kept("a cancelled import after its cancellation")
    images: Literal["keep", "delete"] = Field(
        "keep",
        description=(
            "What becomes of the image of a removed import: delete, or keep, which leaves it in the storage. The API"
            " does not know it any more, quotas do not count it, and lading storage audit calls it an orphan."
        ),
    )
    album_exceptions: Annotated[
        Mapping[str, Annotated[int, Field(ge=0, le=MOST), AfterValidator(_keep_or_long)]],
        BeforeValidator(_exceptions),
    ] = Field(
        {},
        description=(
            "Albums with their own time instead of done, failed and cancelled, each as pattern=seconds, such as"
            " drafts-*=86400, archive=0. * stands for any characters and ? for any one. The first pattern that fits"
            " counts. 0 keeps the album's imports for ever."
        ),
    )
    rest: float = Field(
        40.0,
        ge=0,
        le=1000,
        description=(
            "How long Lading rests after it has removed a group of up to 16 imports, as a multiple of the time that"
            " the removal took. A high value keeps requests fast, a low value removes more imports a second."
        ),
    )
