"""The Azure storage with one mistake each, as authors in a hurry have made them."""

import asyncio
import contextlib
import tempfile
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import aiohttp

from lading.plugins import ObjectMetadata
from lading.plugins.capabilities import ListedObject
from lading.plugins.errors import StorageError
from tests.kit.azure.storage import Answer, AzureStorage, _listed


class HoldsTheWholeBody(AzureStorage):
    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        body = b"".join([chunk async for chunk in chunks])
        await self.committed(lambda: self.create(key, body, self.described(metadata), {}))


class CallsTheSdkOnTheLoop(AzureStorage):
    """``BlobClient`` of ``azure.storage.blob`` instead of ``azure.storage.blob.aio``."""

    async def ping(self) -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(self.azure.url.replace("127.0.0.1", "localhost"), timeout=10)  # noqa: ASYNC210


class ForgetsTheContentType(AzureStorage):
    def described(self, metadata: ObjectMetadata) -> dict[str, str]:
        return super().described(metadata) | {"Content-Type": "application/octet-stream"}


class Overwrites(AzureStorage):
    """``upload_blob(overwrite=True)``."""

    def described(self, metadata: ObjectMetadata) -> dict[str, str]:
        headers = super().described(metadata)
        del headers["If-None-Match"]
        return headers


class MissesWhatItDeletes(AzureStorage):
    async def delete(self, key: str) -> None:
        await self.ask("DELETE", key)


class ListsOnePage(AzureStorage):
    async def list_objects(self, prefix: str = "") -> AsyncGenerator[ListedObject, None]:
        query = {"restype": "container", "comp": "list", "prefix": prefix}
        for blob in ET.fromstring((await self.ask("GET", "", query=query)).body).iter("Blob"):
            yield _listed(blob)


class SendsTheFilenameAsItIs(AzureStorage):
    def described(self, metadata: ObjectMetadata) -> dict[str, str]:
        headers = super().described(metadata)
        if metadata.filename:
            headers["x-ms-blob-content-disposition"] = f'attachment; filename="{metadata.filename}"'
        return headers


class ShowsWhatItHas(AzureStorage):
    """An append blob, which is there from its first piece on."""

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        body, headers = b"", self.described(metadata)
        async for chunk in chunks:
            body += chunk
            await self.ask("PUT", key, body, headers=headers | {"x-ms-blob-type": "BlockBlob"})
            headers.pop("If-None-Match", None)


class RaisesTheBase(AzureStorage):
    def refusal(self, answer: Answer) -> StorageError:
        return StorageError(f"status {answer.status}")


class TellsTheConnectionString(AzureStorage):
    def refusal(self, answer: Answer) -> StorageError:
        error = super().refusal(answer)
        key = self.azure.key.get_secret_value()
        return type(error)(f"AccountName={self.azure.account};AccountKey={key}: {error.internal}")


class ShowsItsKey(AzureStorage):
    def __repr__(self) -> str:
        return f"AzureStorage({self.azure.account!r}, {self.azure.key.get_secret_value()!r})"


class KeepsItsClient(AzureStorage):
    sessions: ClassVar[list[aiohttp.ClientSession]] = []

    async def close(self) -> None:
        if self.session is not None:
            self.sessions.append(self.session)
        self.session = None
        await super().close()


class HasNoDeadline(AzureStorage):
    def timeouts(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None)


class CleansUpAfterALostAnswer(AzureStorage):
    async def create(self, key: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        kind = {} if query else {"x-ms-blob-type": "BlockBlob"}
        try:
            await self.ask("PUT", key, body, query=query, headers={**headers, **kind})
        except StorageError:
            await self.delete(key)
            raise


class LeavesItsSpool(AzureStorage):
    """The SDK wants a file to seek in, and reads it after the context has ended."""

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        spool: Any = await asyncio.to_thread(tempfile.NamedTemporaryFile, delete=False)
        with spool:
            async for chunk in chunks:
                await asyncio.to_thread(spool.write, chunk)
            await asyncio.to_thread(spool.seek, 0)
            await super().save(key, Pieces(spool), metadata)


class Pieces(AsyncIterator[bytes]):
    def __init__(self, file: Any) -> None:
        self.file = file

    async def __anext__(self) -> bytes:
        piece: bytes = await asyncio.to_thread(self.file.read, 65536)
        if not piece:
            raise StopAsyncIteration
        return piece


class TakesAnOutageForAbsence(AzureStorage):
    async def exists(self, key: str) -> bool:
        try:
            return await super().exists(key)
        except StorageError:
            return False


class ReadsWhateverIsThere(AzureStorage):
    """Ranges without a condition."""

    async def read(self, key: str, etag: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            span = f"bytes={start}-{min(end, start + 1024 * 1024) - 1}"
            piece = (await self.ask("GET", key, headers={"Range": span})).body
            start += len(piece)
            yield piece
