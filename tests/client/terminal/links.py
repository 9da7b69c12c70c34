"""Texts with the links that a person means: the page and the command find the same ones."""

from collections.abc import Sequence
from typing import Final

LINKS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    (
        "see https://a.example/b.jpg, and (https://a.example/c_(1).png).",
        ["https://a.example/b.jpg", "https://a.example/c_(1).png"],
    ),
    (
        "[one](http://a.example/x?y=1&z=2#f) <https://b.example/>",
        ["http://a.example/x?y=1&z=2#f", "https://b.example/"],
    ),
    ("https://a.example/a.jpg\nhttps://a.example/a.jpg", ["https://a.example/a.jpg"]),
    ("“https://a.example/ü.jpg”!", ["https://a.example/ü.jpg"]),
    ("a.example.org/b/c.JPG and b.example.org/page, x@a.example/c.png", ["https://a.example.org/b/c.JPG"]),
    ("data:image/gif;base64,R0lGOD+/= x", ["data:image/gif;base64,R0lGOD+/="]),
    (
        "<img src=\"https://a.example/b.jpg\"><a href='http://c.example'>",
        ["https://a.example/b.jpg", "http://c.example"],
    ),
    (
        "sftp://files.example/a/b.jpg, (s3://bucket.example/c.PNG?versionId=1); a-b+c://d.example/e.gif#f.",
        ["sftp://files.example/a/b.jpg", "s3://bucket.example/c.PNG?versionId=1", "a-b+c://d.example/e.gif#f"],
    ),
    ("no links: sftp://a.example/b?c.jpg, file:///d/e.jpg, javascript:alert(1), http://", []),
)
