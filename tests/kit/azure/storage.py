"""A storage over Azure Blob Storage's REST API (version 2021-08-06), written with aiohttp, as its author has it."""

import asyncio
import base64
import io
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
from pydantic import Field, SecretStr
from yarl import URL

from lading.plugins import ObjectMetadata, PluginOptions, StorageBackend, StoredObject
from lading.plugins.capabilities import ListedObject, SupportsListing
from lading.plugins.errors import (
    ContentMismatch,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from tests.kit.azure.emulator import signature

MIB: Final = 1024 * 1024
BLOCK: Final = 2 * MIB
ATTEMPTS: Final = 2
Result = TypeVar("Result")


class AzureOptions(PluginOptions):
    url: str = Field(description="URL of the container, with the account in it.")
    account: str = Field(description="Name of the storage account.")
    key: SecretStr = Field(description="Key of the account, in base64.")
    timeout: float = Field(default=15.0, gt=0, description="Seconds that a request may wait for the next bytes.")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class AzureStorage(StorageBackend, SupportsListing):
    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = AzureOptions

    def __init__(self, options: PluginOptions) -> None:
        assert isinstance(options, AzureOptions)
        super().__init__(options)
        self.azure = options
        self.session: aiohttp.ClientSession | None = None
        self.running: set[asyncio.Task[Any]] = set()
        self.is_closed = False

    # --- saving -------------------------------------------------------------------------------------------------------

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        headers = self.described(metadata)
        blocks: list[str] = []
        async with aclosing(self.pieces(chunks, metadata.byte_size)) as pieces:
            if metadata.byte_size <= BLOCK:
                body = await anext(pieces, b"")
                await self.committed(lambda: self.create(key, body, headers, {}))
                return
            async for piece in pieces:
                blocks.append(base64.b64encode(f"{len(blocks):08}".encode()).decode())
                await self.ask("PUT", key, piece, query={"comp": "block", "blockid": blocks[-1]})
        text = "".join(f"<Latest>{one}</Latest>" for one in blocks)
        listed = f'<?xml version="1.0"?><BlockList>{text}</BlockList>'.encode()
        headers["x-ms-blob-content-type"] = headers.pop("Content-Type")
        await self.committed(lambda: self.create(key, listed, headers, {"comp": "blocklist"}))

    def described(self, metadata: ObjectMetadata) -> dict[str, str]:
        marker = {"x-ms-meta-lading": uuid.uuid4().hex}
        return {"Content-Type": metadata.content_type, "If-None-Match": "*", **marker}

    async def pieces(self, chunks: AsyncIterator[bytes], byte_size: int) -> AsyncGenerator[bytes, None]:
        total, piece = 0, bytearray()
        async for chunk in chunks:
            self.check_open()
            total += len(chunk)
            if total > byte_size:
                raise ContentMismatch(f"more than {byte_size} bytes")
            piece += chunk
            while len(piece) > BLOCK:
                yield bytes(piece[:BLOCK])
                del piece[:BLOCK]
        if total != byte_size:
            raise ContentMismatch(f"{total} bytes instead of {byte_size}")
        yield bytes(piece)

    async def create(self, key: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Make the blob visible; where an answer is lost, look whether it is this call's own."""
        kind = {} if query else {"x-ms-blob-type": "BlockBlob"}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self.ask("PUT", key, body, query=query, headers={**headers, **kind})
            except (ObjectExists, StorageUnavailable) as error:
                if await self.is_own(key, headers):
                    return
                if isinstance(error, ObjectExists) or attempt == ATTEMPTS:
                    raise
            else:
                return

    async def is_own(self, key: str, headers: Mapping[str, str]) -> bool:
        try:
            found = await self.ask("HEAD", key)
        except StorageError:
            return False
        return found.headers.get("x-ms-meta-lading") == headers["x-ms-meta-lading"]

    async def committed(self, create: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Once it has begun, it goes on to its end, whoever cancels: only that tells whether there is a blob."""
        self.check_open()
        task = asyncio.create_task(create())
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        cancelled = False
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                cancelled = True
        if cancelled and task.exception() is not None:
            raise asyncio.CancelledError
        task.result()

    # --- reading ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        found = await self.ask("HEAD", key)
        size = int(found.headers["Content-Length"])
        end = size if length is None else min(size, offset + length)
        async with aclosing(self.read(key, found.headers["ETag"], offset, end)) as chunks:
            yield StoredObject(size, chunks)

    async def read(self, key: str, etag: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            span = f"bytes={start}-{min(end, start + MIB) - 1}"
            piece = (await self.ask("GET", key, headers={"Range": span, "If-Match": etag})).body
            if not piece:
                raise ContentMismatch("the blob ends early")
            start += len(piece)
            yield piece

    async def delete(self, key: str) -> None:
        try:
            await self.ask("DELETE", key)
        except ObjectNotFound:
            return

    async def exists(self, key: str) -> bool:
        try:
            await self.ask("HEAD", key)
        except ObjectNotFound:
            return False
        return True

    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        marker = ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
            page = ET.fromstring((await self.ask("GET", "", query=query)).body)
            for blob in page.iter("Blob"):
                yield _listed(blob)
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return

    # --- the storage's own life ---------------------------------------------------------------------------------------

    async def ping(self) -> None:
        await self.ask("GET", "", query={"restype": "container"})

    async def close(self) -> None:
        self.is_closed = True
        while self.running:
            await asyncio.wait(tuple(self.running))
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def check_open(self) -> None:
        if self.is_closed:
            raise StorageUnavailable("the storage is closed")

    # --- requests -----------------------------------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        key: str,
        body: bytes = b"",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.check_open()
        with self.translated():
            answer = await self.sent(method, key, body, query or {}, dict(headers or {}))
        if answer.status >= 300:
            raise self.refusal(answer)
        return answer

    async def sent(
        self, method: str, key: str, body: bytes, query: Mapping[str, str], headers: dict[str, str]
    ) -> Answer:
        path = urlsplit(self.azure.url).path + (f"/{quote(key)}" if key else "")
        headers |= {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        if method == "PUT":
            headers |= {"Content-Length": str(len(body))}
        signed = signature(self.azure.key.get_secret_value(), self.azure.account, method, path, query, headers)
        headers["Authorization"] = f"SharedKey {self.azure.account}:{signed}"
        url = URL(f"{self.azure.url}{f'/{quote(key)}' if key else ''}?{urlencode(query)}", encoded=True)
        async with self.client().request(
            method, url, data=io.BytesIO(body) if body else None, headers=headers
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    def client(self) -> aiohttp.ClientSession:
        if self.session is None:
            self.session = aiohttp.ClientSession(
                timeout=self.timeouts(), skip_auto_headers=("Content-Type",), auto_decompress=False
            )
        return self.session

    def timeouts(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self.azure.timeout, sock_read=self.azure.timeout)

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, OSError) as error:
            raise StorageUnavailable(f"Azure cannot be reached: {type(error).__name__}") from error
        except RuntimeError as error:  # the session was closed meanwhile
            self.check_open()
            raise StorageError(str(error)) from error

    def refusal(self, answer: Answer) -> StorageError:
        code = answer.headers.get("x-ms-error-code", "")
        text = f"status {answer.status} {code}"
        if code == "ContainerNotFound":
            return StorageError(f"{text}: create the container")
        if answer.status == 404:
            return ObjectNotFound(text)
        if code in ("BlobAlreadyExists", "UnauthorizedBlobOverwrite"):
            return ObjectExists(text)
        if answer.status == 412:
            return ContentMismatch("the blob was replaced while it was read")
        if answer.status in (401, 403):
            return StorageDenied(text)
        return (StorageUnavailable if answer.status >= 500 or answer.status == 429 else StorageError)(text)


def _listed(blob: ET.Element) -> ListedObject:
    properties = blob.find("Properties")
    assert properties is not None
    modified = parsedate_to_datetime(properties.findtext("Last-Modified") or "")
    return ListedObject(blob.findtext("Name") or "", int(properties.findtext("Content-Length") or 0), modified)
