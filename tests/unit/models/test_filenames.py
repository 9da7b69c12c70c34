"""Names of files fit the format that is stored."""

import pytest

from lading.service.models.filenames import fitting


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("IMG_1.HEIC", "image/jpeg", "IMG_1.jpg"),
        ("a.b.png", "image/webp", "a.b.webp"),
        ("schiff-ü.tiff", "image/jpeg", "schiff-ü.jpg"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("photo", "image/jpeg", "photo"),
        ("holiday.2024", "image/jpeg", "holiday.2024"),
        (".heic", "image/jpeg", ".heic"),
        ("photo.heic", "image/x-farbfeld", "photo.heic"),
        ("", "image/jpeg", ""),
        (None, "image/jpeg", None),
    ],
)
def test_fitting(name: str | None, content_type: str, expected: str | None) -> None:
    assert fitting(name, content_type) == expected
