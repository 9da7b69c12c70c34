"""Stored images for tests: an import that is done, and its bytes in storage, without fetching anything."""

import asyncio
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from lading.plugins.contracts import ObjectMetadata, StorageBackend
from lading.service.documents import DocumentStore
from lading.service.images.operations import StoredImage
from lading.service.models import Image, Import, Status
from lading.service.models.clock import Clock, truncate_to_milliseconds
from lading.service.runtime.wiring import Parts
from tests.support.plugins.scripted import make_import, pieces
from tests.support.servers.service import ISSUER, ORGANIZATION

PIECE = 256 * 1024
_IMAGE_FIELDS = ("content_type", "filename", "byte_size", "mirror", "is_mirrored", "source_sha256")


def noise(byte_size: int, seed: int = 7) -> bytes:
    """So many bytes, the same each time."""
    return random.Random(seed).randbytes(byte_size)


def done_import(
    data: bytes, storage_name: str, clock: Clock, params: Mapping[str, Any] | None = None, **changes: Any
) -> Import:
    """A done import whose image has these bytes; fields of ``Image`` and ``Import`` may be changed."""
    now = truncate_to_milliseconds(clock.now())
    image_changes = {name: changes.pop(name) for name in _IMAGE_FIELDS if name in changes}
    facts = {"issuer_id": ISSUER, "organization_id": ORGANIZATION, "created_at": now, "updated_at": now, **changes}
    sent = {"album_id": "imported_album", "url": "http://origin.example/a.png", **(params or {})}
    document = make_import(clock, status=Status.RUNNING, params=sent, **facts)
    image = Image(
        format="PNG",
        content_type="image/png",
        width=3,
        height=2,
        frames=1,
        byte_size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        storage=storage_name,
        key=document.storage_key,
    )
    values = {name: getattr(image, name) for name in Image.__dataclass_fields__} | image_changes
    return document.succeeded(Image(**values), "url", now)


async def store_image(
    store: DocumentStore, storage: StorageBackend, storage_name: str, clock: Clock, data: bytes, **changes: Any
) -> StoredImage:
    """An image that is stored; see ``done_import``."""
    document = done_import(data, storage_name, clock, **changes)
    assert document.image is not None
    metadata = ObjectMetadata(len(data), hashlib.sha256(data).hexdigest(), document.image.content_type)
    parts = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    await storage.ping()  # it prepares itself
    await storage.save(document.image.key, pieces(*parts), metadata)
    await store.add(document)
    return StoredImage(document, document.image)


async def stored_in(parts: Parts, data: bytes, **changes: Any) -> StoredImage:
    """An image that is stored in what a service has open; see ``done_import``."""
    return await store_image(parts.store, parts.storage, parts.storages.main, parts.clock, data, **changes)


def path_of(found: StoredImage, rest: str = "") -> str:
    """The path of an image, or of what is below it."""
    return f"/api/v1/images/{found.document.image_id}{rest}"


def code_of(body: bytes) -> str:
    """The code of an error answer."""
    code: str = json.loads(body)["code"]
    return code


async def read_response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer off a connection that is closed after it: status, headers by lower-case name, body."""
    status, headers = await read_head(reader)
    return status, headers, await reader.read()


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines: Sequence[str] = head.split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in fields}


def request_of(path: str, headers: Mapping[str, str], method: str = "GET") -> bytes:
    """A request after which the connection closes, unless ``headers`` say otherwise."""
    fields = {"Host": "localhost", "Connection": "close", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


async def ask(
    port: int, path: str, headers: Mapping[str, str], method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Ask, over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_of(path, headers, method))
        return await read_response(reader)
    finally:
        writer.close()
        await writer.wait_closed()
