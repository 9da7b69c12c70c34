"""Thumbnails for tests: images of which some are made, and makers that do as they are told."""

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from tornado.httpclient import HTTPResponse

from lading.plugins.capabilities import SupportsThumbnails
from lading.plugins.errors import PluginError
from lading.service.images.operations import StoredImage
from lading.service.images.thumbnails.refusals import Refusals
from lading.service.images.thumbnails.thumbnails import Thumbnails
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import stored_in
from tests.support.servers.service import Client, token

WEBP = {"Accept": "image/avif,image/webp,image/*;q=0.8"}


def picture(size: tuple[int, int] = (600, 300), mode: str = "RGB", colour: Any = "red", **options: Any) -> bytes:
    body = io.BytesIO()
    Image.new(mode, size, colour).save(body, **{"format": "PNG", **options})
    return body.getvalue()


def opened(response: HTTPResponse) -> Image.Image:
    assert response.code == 200, response.body
    image = Image.open(io.BytesIO(response.body))
    image.load()
    return image


async def stored(assembled: Assembled, data: bytes | None = None, **changes: Any) -> StoredImage:
    return await stored_in(assembled.parts, picture() if data is None else data, **changes)


def allowed(client: Client, clock: SettableClock, *abilities: str, **facts: Any) -> Client:
    return replace(client, token=token(clock, abilities=abilities, **facts))


def kept_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "thumbnails").glob("*/*") if path.is_file()]


class Maker(SupportsThumbnails):
    """Makes text, or raises.

    Attributes:
        fault: what it raises; None for nothing.
        on_call: awaited before each thumbnail.
        calls: how many thumbnails it was asked for.
    """

    recipe = "text"

    def __init__(
        self, fault: PluginError | None = None, on_call: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self.fault = fault
        self.on_call = on_call
        self.calls = 0

    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        self.calls += 1
        if self.on_call is not None:
            await self.on_call()
        if self.fault is not None:
            raise self.fault
        return f"{side} {content_type} {len(path.read_bytes())}".encode()


def use(assembled: Assembled, *makers: SupportsThumbnails, **changes: Any) -> Thumbnails:
    """Have the application make thumbnails otherwise."""
    thumbnails = assembled.resources.images.thumbnails
    assert thumbnails is not None
    changed = replace(thumbnails, makers=makers or thumbnails.makers, **{"refusals": Refusals(), **changes})
    object.__setattr__(assembled.resources.images, "thumbnails", changed)
    return changed
