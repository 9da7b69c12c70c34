"""The media type of a thumbnail by ``Accept``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.service.images.thumbnails.negotiation import JPEG, WEBP, preferred_type

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OLD_SAFARI = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JPEG),
        ("", JPEG),
        ("*/*", JPEG),
        ("image/*", JPEG),
        (CHROME, WEBP),
        (OLD_SAFARI, JPEG),
        ("image/webp", WEBP),
        ("IMAGE/WebP", WEBP),
        ("image/webp, image/jpeg", WEBP),
        ("image/webp;q=0.9, image/jpeg", JPEG),
        ("image/webp;q=0.9, image/jpeg;q=0.5", WEBP),
        ("image/webp ; Q=0.9 , image/jpeg ;q=0.50", WEBP),
        ("image/jpeg;q=0.5, image/*", WEBP),
        ("image/jpeg;q=0, */*;q=0.1", WEBP),
        ("image/webp;q=0, */*", JPEG),
        ("image/webp;q=0", JPEG),
        ("*/*;q=0", JPEG),
        ("image/*;q=0.2, */*;q=0.9, image/jpeg;q=0.1", WEBP),
        # Neither is accepted: the field is disregarded.
        ("application/json", JPEG),
        ("image/png", JPEG),
        # What is malformed, or asks for a variant, counts for nothing.
        ("image/webp;q=2, image/jpeg;q=0.1", JPEG),
        ("image/webp;q=a, image/jpeg;q=0.1", JPEG),
        ("image/webp;level=1, image/jpeg;q=0.1", JPEG),
        ("image webp, image/jpeg;q=0.1", JPEG),
        ('text/html;a="x, image/webp;q=1", image/jpeg;q=0.1', JPEG),
        (',, image/webp ,;,"', WEBP),
        ("image/webp;, image/jpeg;q=0.1", WEBP),
    ],
)
def test_the_choice(accept: str | None, expected: str) -> None:
    assert preferred_type(accept) == expected


def weight(thousandths: int) -> str:
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")


WEIGHTS = st.dictionaries(
    st.sampled_from(["image/webp", "image/jpeg", "image/*", "*/*", "image/png", "text/*"]), st.integers(0, 1000)
)


@given(WEIGHTS, st.randoms(use_true_random=False), st.sampled_from([",", ", ", " ,\t"]))
def test_the_weight_of_the_most_specific_range_decides(weights: dict[str, int], rng: object, comma: str) -> None:
    names = list(weights)
    rng.shuffle(names)  # type: ignore[attr-defined]
    accept = comma.join(f"{name};q={weight(weights[name])}" for name in names)

    def of(media_type: str) -> int:
        return next((weights[name] for name in (media_type, "image/*", "*/*") if name in weights), 0)

    webp, jpeg = of(WEBP), of(JPEG)
    expected = WEBP if webp > jpeg or (webp == jpeg > 0 and WEBP in weights) else JPEG
    assert preferred_type(accept) == expected


@given(st.text(max_size=200) | st.text(alphabet=';,=q/"\\ *webpimagj01.', max_size=200))
def test_any_text_gives_a_type(accept: str) -> None:
    assert preferred_type(accept) in {WEBP, JPEG}


@pytest.mark.timeout(20)  # with a match that tries things twice, it takes hours
def test_a_long_field_takes_no_time_to_speak_of() -> None:
    for unit in ('"', "\\", '"\\', ";", ";q", "a/b;", 'a/b;c="', 'a/b;c="\\', " ", "a/b ;", "a=,", ";  ", '"a', "a=a;"):
        for start in ("", "a/b", "image/webp;q"):
            assert preferred_type(f"{start}{unit * (65536 // len(unit))}]") == JPEG
