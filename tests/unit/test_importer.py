"""The use case: which fetcher and which detectors are asked, what is saved, and what the document learns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.guard import GuardedStorage
from backends.memory import MemoryStorage, MemoryStorageOptions
from plugins.contracts import Fetched, ImageInfo, ObjectMetadata, Source, StoredObject
from plugins.errors import (
    BodyTruncated,
    ContentMismatch,
    DeadlineExceeded,
    DetectError,
    DetectorCrashed,
    ImageCorrupt,
    NotAnImage,
    ObjectNotFound,
    PluginError,
    StorageFull,
    StorageUnavailable,
    UrlSchemeMissing,
    UrlSchemeNotAllowed,
)
from service.importer import Importer, host_of, scheme_of
from service.models import Image
from service.spool import Spool, Spools
from tests.conformance.storage_support import no_leaks
from tests.support.scripted import INFO, ScriptedDetector, ScriptedFetcher, body_of, make_import, pieces

DOCUMENT = make_import()
DATA = body_of(DOCUMENT.url or "")
OTHER = ImageInfo("JPEG", "image/jpeg", 30, 20, 2)


class Watched(Spools):
    """Spools that remember what they opened."""

    opened: list[Spool]

    @contextmanager
    def open(self) -> Iterator[Spool]:
        with super().open() as spool:
            self.opened.append(spool)
            yield spool


class Storage(MemoryStorage):
    """Keeps what it was told of each object; does something before a save or an open, if it is told to."""

    def __init__(self) -> None:
        super().__init__(MemoryStorageOptions())
        self.metadata: dict[str, ObjectMetadata] = {}
        self.before_save: Callable[[], Awaitable[None]] | None = None
        self.before_open: Callable[[], Awaitable[None]] | None = None

    async def save(self, key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        if self.before_save is not None:
            await self.before_save()
        await super().save(key, chunks, metadata)
        self.metadata[key] = metadata

    @asynccontextmanager
    async def open(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[StoredObject]:
        if self.before_open is not None:
            await self.before_open()
        async with super().open(key, offset=offset, length=length) as stored:
            yield stored


class Shop:
    def __init__(self, detectors: Sequence[ScriptedDetector] | None = None, deadline: float = 30.0) -> None:
        self.fetcher = ScriptedFetcher()
        self.detectors = [ScriptedDetector()] if detectors is None else list(detectors)
        self.storage = Storage()
        self.executor = ThreadPoolExecutor(1)
        self.spools = Watched(64, None, self.executor)
        object.__setattr__(self.spools, "opened", [])
        self.importer = Importer(
            fetchers={"test": self.fetcher},
            detectors=self.detectors,
            storage=GuardedStorage(self.storage, name="memory", deadline=deadline),
            storage_name="memory",
            spools=self.spools,
        )

    @property
    def stored(self) -> dict[str, bytes]:
        return {key: bytes(body) for key, body in self.storage._objects.items()}


@contextmanager
def shop_of(*detectors: ScriptedDetector, deadline: float = 30.0) -> Iterator[Shop]:
    """What an importer needs; at the end every spool has to be closed."""
    shop = Shop(detectors or None, deadline)
    try:
        yield shop
        for spool in shop.spools.opened:
            with pytest.raises(ValueError, match="not filled"):
                spool.path  # noqa: B018
    finally:
        shop.executor.shutdown()


def answering(answer: ImageInfo | Exception) -> ScriptedDetector:
    detector = ScriptedDetector()

    async def detect(_path: Path) -> ImageInfo:
        if isinstance(answer, Exception):
            raise answer
        return answer

    detector.on_detect = detect
    return detector


# --- the way of the bytes ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_is_fetched_is_recognised_and_saved() -> None:
    with shop_of() as shop:
        outcome = await shop.importer.run(DOCUMENT)
        sha256 = hashlib.sha256(DATA).hexdigest()
        assert outcome.import_type == "scripted"
        assert outcome.image == Image(
            format="PNG",
            content_type="image/png",
            width=3,
            height=2,
            frames=1,
            byte_size=len(DATA),
            sha256=sha256,
            storage="memory",
            key=DOCUMENT.storage_key,
        )
        assert shop.stored == {DOCUMENT.storage_key: DATA}
        assert shop.storage.metadata[DOCUMENT.storage_key] == ObjectMetadata(
            byte_size=len(DATA),
            sha256=sha256,
            content_type="image/png",
            filename="origin.png",
            import_id=DOCUMENT.id,
        )


@pytest.mark.gen_test
async def test_the_detector_sees_the_whole_body_and_the_source_is_closed_by_then() -> None:
    with shop_of() as shop:

        async def detect(path: Path) -> ImageInfo:
            assert path.read_bytes() == DATA
            assert shop.fetcher.now[""] == 0, "the origin does not wait for the detector"
            return INFO

        shop.detectors[0].on_detect = detect
        await shop.importer.run(DOCUMENT)
        assert len(shop.detectors[0].asked) == 1


@pytest.mark.gen_test
async def test_the_client_s_name_for_the_file_goes_before_the_origin_s() -> None:
    with shop_of() as shop:
        named = replace(DOCUMENT, params={**DOCUMENT.params, "filename": "client.png"})
        await shop.importer.run(named)
        assert shop.storage.metadata[DOCUMENT.storage_key].filename == "client.png"


@pytest.mark.gen_test
async def test_the_client_s_headers_go_to_the_fetcher() -> None:
    seen = []

    async def look(source: Source) -> None:
        seen.append(dict(source.headers))

    with shop_of() as shop:
        shop.fetcher.on_open = look
        await shop.importer.run(replace(DOCUMENT, params={**DOCUMENT.params, "headers": {"Referer": "x"}}))
        assert seen == [{"Referer": "x"}]


@pytest.mark.gen_test
async def test_an_import_without_a_url_cannot_run() -> None:
    with shop_of() as shop:
        with pytest.raises(ValueError, match="no url"):
            await shop.importer.run(replace(DOCUMENT, params={}))


# --- detectors --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_detectors_are_asked_in_order_until_one_knows_the_format() -> None:
    first, second, third = answering(NotAnImage()), answering(OTHER), answering(INFO)
    with shop_of(first, second, third) as shop:
        outcome = await shop.importer.run(DOCUMENT)
        assert (outcome.image.format, outcome.image.frames) == ("JPEG", 2)
        assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 0)


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [ImageCorrupt(), DetectorCrashed(), DeadlineExceeded(), DetectError()])
async def test_any_other_refusal_is_final_and_nothing_is_stored(error: PluginError) -> None:
    first, second = answering(error), answering(INFO)
    with shop_of(first, second) as shop:
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error
        assert second.asked == []
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_where_nobody_knows_the_format_the_last_refusal_stands() -> None:
    errors = [NotAnImage("first"), NotAnImage("second")]
    with shop_of(*map(answering, errors)) as shop:
        with pytest.raises(NotAnImage) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is errors[1]
        assert shop.stored == {}


@pytest.mark.gen_test
async def test_without_a_detector_nothing_is_an_image() -> None:
    with shop_of() as shop:
        shop.importer._detectors = ()
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
        assert shop.stored == {}


# --- failures of the fetch --------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_body_that_breaks_reaches_neither_detector_nor_storage() -> None:
    async def broken(_source: Source) -> AsyncIterator[bytes]:
        yield DATA[:100]
        raise BodyTruncated

    with shop_of() as shop:
        shop.fetcher.chunks = broken
        async with no_leaks():
            with pytest.raises(BodyTruncated):
                await shop.importer.run(DOCUMENT)
            shop.executor.shutdown()
        assert (shop.detectors[0].asked, shop.stored, shop.fetcher.now[""]) == ([], {}, 0)


@pytest.mark.gen_test
async def test_a_fetcher_s_deadline_stays_a_failure_of_the_fetch() -> None:
    error = DeadlineExceeded()

    async def late(_source: Source) -> None:
        raise error

    with shop_of() as shop:
        shop.fetcher.on_open = late
        with pytest.raises(DeadlineExceeded):
            await shop.importer.run(DOCUMENT)


@pytest.mark.gen_test
@pytest.mark.parametrize("place", ["open", "body", "detect", "save"])
async def test_a_cancelled_attempt_leaves_nothing(place: str) -> None:
    reached = asyncio.Event()

    async def hang(*_: object) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async def hanging(_source: Source) -> AsyncIterator[bytes]:
        yield DATA[:100]
        await hang()

    with shop_of() as shop:
        async with no_leaks():
            if place == "open":
                shop.fetcher.on_open = hang
            elif place == "body":
                shop.fetcher.chunks = hanging
            elif place == "detect":
                shop.detectors[0].on_detect = hang
            else:
                shop.storage.before_save = hang
            task = asyncio.create_task(shop.importer.run(DOCUMENT))
            await reached.wait()
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            shop.executor.shutdown()
        assert (shop.stored, shop.fetcher.now[""]) == ({}, 0)


# --- storage ----------------------------------------------------------------------------------------------------------


async def save(shop: Shop, data: bytes) -> None:
    metadata = ObjectMetadata(len(data), hashlib.sha256(data).hexdigest(), "image/png")
    await shop.storage.save(DOCUMENT.storage_key, pieces(data), metadata)


@pytest.mark.gen_test
async def test_where_an_object_is_stored_already_the_outcome_describes_that_object() -> None:
    """The origin has changed its mind since an attempt that died between saving and finishing."""
    before = b"what the attempt that died had saved" * 10

    async def detect(path: Path) -> ImageInfo:
        return OTHER if path.read_bytes() == before else INFO

    with shop_of() as shop:
        shop.detectors[0].on_detect = detect
        await save(shop, before)
        outcome = await shop.importer.run(DOCUMENT)
        assert outcome.image == Image(
            format="JPEG",
            content_type="image/jpeg",
            width=30,
            height=20,
            frames=2,
            byte_size=len(before),
            sha256=hashlib.sha256(before).hexdigest(),
            storage="memory",
            key=DOCUMENT.storage_key,
        )
        assert shop.stored == {DOCUMENT.storage_key: before}
        assert len(shop.spools.opened) == 2


@pytest.mark.gen_test
async def test_a_stored_object_that_is_no_image_is_refused_and_not_replaced() -> None:
    async def detect(path: Path) -> ImageInfo:
        if path.read_bytes() == DATA:
            return INFO
        raise NotAnImage

    with shop_of() as shop:
        shop.detectors[0].on_detect = detect
        await save(shop, b"not an image")
        with pytest.raises(NotAnImage):
            await shop.importer.run(DOCUMENT)
        assert shop.stored == {DOCUMENT.storage_key: b"not an image"}


@pytest.mark.gen_test
async def test_an_object_that_vanishes_before_it_is_read_is_a_failure_of_storage() -> None:
    with shop_of() as shop:
        await save(shop, b"here and gone")

        async def vanish() -> None:
            await shop.storage.delete(DOCUMENT.storage_key)

        shop.storage.before_open = vanish
        with pytest.raises(ObjectNotFound):
            await shop.importer.run(DOCUMENT)


@pytest.mark.gen_test
@pytest.mark.parametrize("operation", ["save", "open"])
async def test_storage_that_is_too_slow_is_unavailable(operation: str) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with shop_of(deadline=0.02) as shop:
        if operation == "save":
            shop.storage.before_save = hang
        else:
            await save(shop, b"stored already")
            shop.storage.before_open = hang
        with pytest.raises(StorageUnavailable) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value.plugin == "memory"
        assert isinstance(caught.value.__cause__, DeadlineExceeded)
        assert operation in caught.value.internal


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [StorageFull(), StorageUnavailable("down"), ContentMismatch()])
async def test_other_errors_of_storage_pass_unchanged(error: PluginError) -> None:
    async def fail() -> None:
        raise error

    with shop_of() as shop:
        shop.storage.before_save = fail
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error
        shop.storage.before_save = None
        shop.storage.before_open = fail
        await save(shop, b"stored already")
        with pytest.raises(type(error)) as caught:
            await shop.importer.run(DOCUMENT)
        assert caught.value is error


@pytest.mark.gen_test
async def test_of_two_attempts_at_once_both_describe_the_one_object() -> None:
    """A worker that has lost its lease without knowing, and the one that has taken over."""
    with shop_of() as shop:
        bodies = iter((b"first" * 99, b"second" * 99))
        shop.fetcher.chunks = lambda _source: pieces(next(bodies))
        outcomes = await asyncio.gather(*(shop.importer.run(DOCUMENT) for _ in range(2)))
        assert outcomes[0].image == outcomes[1].image
        (stored,) = shop.stored.values()
        assert outcomes[0].image.sha256 == hashlib.sha256(stored).hexdigest()


# --- schemes and hosts ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", UrlSchemeMissing),
        ("/etc/passwd", UrlSchemeMissing),
        ("//host/a.jpg", UrlSchemeMissing),
        ("example.org/a.jpg", UrlSchemeMissing),
        ("example.org:8080/a.jpg", UrlSchemeMissing),
        ("localhost:80", UrlSchemeMissing),
        ("://host/a", UrlSchemeMissing),
        (" test://host/a", UrlSchemeMissing),
        ("1http://host", UrlSchemeMissing),
        ("t\u00e9st://host", UrlSchemeMissing),
        ("a" * 64 + "://host", UrlSchemeMissing),
        ("file:///etc/passwd", UrlSchemeNotAllowed),
        ("javascript:alert(1)", UrlSchemeNotAllowed),
        ("TESTS://host", UrlSchemeNotAllowed),
    ],
)
async def test_a_url_without_a_served_scheme_is_refused(url: str, error: type[PluginError]) -> None:
    with shop_of() as shop:
        with pytest.raises(PluginError) as caught:
            shop.importer.check(Source(url))
        assert type(caught.value) is error
        assert shop.importer.import_type(url) is None


@pytest.mark.gen_test
async def test_the_scheme_is_served_in_any_case_and_named_in_its_refusal() -> None:
    with shop_of() as shop:
        shop.importer.check(Source("TeSt://host/a"))
        assert shop.importer.import_type("TEST:x") == "scripted"
        with pytest.raises(UrlSchemeNotAllowed) as caught:
            shop.importer.check(Source("FTP://host/a"))
        assert caught.value.facts == {"scheme": "ftp"}


@pytest.mark.parametrize(
    ("url", "scheme", "host"),
    [
        ("HTTP://Example.ORG:80/A?b#c", "http", "example.org"),
        ("https://user:pass@host/", "https", "host"),
        ("http://[2001:DB8::1]:8000/", "http", "2001:db8::1"),
        ("data:image/png;base64,AA==", "data", ""),
        ("s3+x.y-z://Bucket/key", "s3+x.y-z", "bucket"),
        ("http://[broken/", "http", ""),
        ("no scheme", "", ""),
        ("", "", ""),
    ],
)
def test_scheme_and_host(url: str, scheme: str, host: str) -> None:
    assert (scheme_of(url), host_of(url)) == (scheme, host)


@pytest.mark.gen_test
async def test_the_fetcher_s_own_check_is_asked() -> None:
    refusal = UrlSchemeNotAllowed(scheme="x")

    class Picky(ScriptedFetcher):
        def check(self, source: Source) -> None:
            assert source.url == "test://host/a"
            raise refusal

        def open(self, source: Source) -> Any:
            raise AssertionError("a check fetches nothing")

    with shop_of() as shop:
        shop.importer._fetchers = {"test": Picky()}
        with pytest.raises(UrlSchemeNotAllowed) as caught:
            shop.importer.check(Source("test://host/a"))
        assert caught.value is refusal


@pytest.mark.gen_test
async def test_ping_asks_storage() -> None:
    with shop_of() as shop:
        await shop.importer.ping_storage()
        await shop.storage.close()
        with pytest.raises(StorageUnavailable):
            await shop.importer.ping_storage()


def test_fetched_needs_no_name() -> None:
    assert Fetched(pieces()).filename is None
