"""What the origin of these tests serves, by path."""

from typing import Final

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Behaviour, Origin, answer, head, raw, redirect

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


def slowly(body: bytes, pieces: int, pause: float) -> Behaviour:
    """Send a body in pieces, with a pause in seconds after each."""
    length = -(-len(body) // pieces)
    parts = [body[start : start + length] for start in range(0, len(body), length)]
    fields = {"Content-Type": "image/jpeg", "Content-Length": str(len(body))}
    return raw(head(headers=fields), *(one for part in parts for one in (part, pause)))
