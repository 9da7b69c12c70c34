"""What the origin of these tests serves, by path."""

from typing import Final

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer, redirect

JPEG: Final = jpeg(640, 400, seed=1)
_IMAGE: Final = {"Content-Type": "image/jpeg"}


def make_origin() -> Origin:
    """An origin with a photo, a redirect to it, a page that is no image, and nothing else."""
    return Origin(
        {
            "/photo.jpg": answer(JPEG, headers=_IMAGE),
            "/moved.jpg": redirect("/photo.jpg"),
            "/page.html": answer(b"<!DOCTYPE html><title>no image</title>", headers={"Content-Type": "text/html"}),
        }
    )
