"""What is fetched, and what servers may do instead of giving it."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins import Fetched, Source
from lading.plugins.errors import (
    BodyEmpty,
    BodyTooLarge,
    ConnectionLost,
    FetchError,
    FetchTimeout,
    OriginNotFound,
    OriginRejected,
)
from lading.plugins.testing import Body, FetchLimits, Flaw
from lading_sftp.errors import FileChanged, NotAFile, NotSftp
from lading_sftp.fetcher import SftpFetcher
from lading_sftp.harness import SftpHarness
from lading_sftp.reading import AHEAD_BYTES, PIECE_BYTES
from lading_sftp.server import LOOPBACK

MIB = 1024 * 1024


async def collected(opened: Fetched) -> bytes:
    return b"".join([chunk async for chunk in opened.chunks])


class FetchingHarness(SftpHarness):
    async def fetched(self, source: Source, **changes: object) -> bytes:
        fetcher = self.made(SftpFetcher(self.options(**changes)))
        try:
            async with fetcher.open(source) as opened:
                return await collected(opened)
        finally:
            await fetcher.close()


class TestFiles(FetchingHarness):
    @pytest.mark.parametrize(
        "size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, AHEAD_BYTES, AHEAD_BYTES + 1, 3 * MIB + 5]
    )
    async def test_what_arrives_is_what_is_there(self, size: int) -> None:
        body = Body(size)
        assert await self.fetched(await self.serve(body)) == body.whole()

    async def test_short_answers_are_put_together(self) -> None:
        body = Body(5 * PIECE_BYTES + 17)
        assert await self.fetched(self.source(self.put("tiny", body))) == body.whole()

    async def test_a_server_that_gives_more_than_was_asked_for_is_not_believed(self) -> None:
        source = self.source(self.put("generous", Body(MIB)))
        with pytest.raises(NotSftp):
            await self.fetched(source)

    async def test_a_file_that_grows_is_tried_again(self) -> None:
        with pytest.raises(FileChanged) as raised:
            await self.fetched(await self.serve_flawed(Flaw.TOO_LONG, Body(MIB)))
        assert raised.value.retryable

    async def test_a_file_longer_than_the_limit_is_not_even_opened(self) -> None:
        source = await self.serve(Body(1001))
        fetcher = SftpFetcher(self.options(max_bytes=1000))
        with pytest.raises(BodyTooLarge):
            async with fetcher.open(source):
                pytest.fail("it was opened")
        await fetcher.close()

    async def test_an_empty_file_is_no_image(self) -> None:
        with pytest.raises(BodyEmpty):
            await self.fetched(await self.serve(Body(0)))

    @pytest.mark.parametrize(
        "name", ["ein Bild.png", "bild#1?.png", "größe.png", "100%.png", "日本.png", "a;b&c=d.png"]
    )
    async def test_names_are_decoded(self, name: str) -> None:
        body = Body(1000)
        source = self.source(quote(str(self.put("good", body, name))))
        async with self.opened() as fetcher, fetcher.open(source) as opened:
            assert opened.filename == name
            assert await collected(opened) == body.whole()

    async def test_paths_start_from_the_root_folder(self) -> None:
        body = Body(1000)
        path = self.put("good", body)
        source = self.source(path.name)
        assert await self.fetched(source, root=f"/{path.parent}/") == body.whole()
        with pytest.raises(OriginNotFound):
            await self.fetched(source)

    async def test_a_folder_is_no_file(self) -> None:
        path = self.put("good", Body(1))
        with pytest.raises(NotAFile):
            await self.fetched(self.source(path.parent))

    async def test_a_pipe_is_not_opened(self) -> None:
        path = self.put("good", Body(1))
        os.mkfifo(self.server.root / path.with_name("pipe"))
        with pytest.raises(NotAFile):
            await self.fetched(self.source(path.with_name("pipe")))

    async def test_a_path_through_a_file_leads_nowhere(self) -> None:
        path = self.put("good", Body(1))
        with pytest.raises(FetchError) as raised:
            await self.fetched(self.source(path / "inside.png"))
        assert not raised.value.retryable or raised.value.code == "origin_unavailable"


class TestServers(FetchingHarness):
    async def test_a_server_without_sftp_is_rejected(self) -> None:
        with pytest.raises(OriginRejected):
            await self.fetched(self.source("picture.png", self.server.facts.shell_port))

    @pytest.mark.parametrize(
        ("greeting", "error"),
        [
            (b"", ConnectionLost),
            (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", FetchError),
            (b"SSH-1.0-antique\r\n", NotSftp),
            (b"SSH-2.0-broken\r\n" + b"\xff" * 64, FetchError),
        ],
    )
    async def test_what_does_not_speak_ssh_is_told_apart(self, greeting: bytes, error: type[FetchError]) -> None:
        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(greet, LOOPBACK, 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(error):
                await self.fetched(self.source("picture.png", port), hosts=(f"{LOOPBACK}:{port}",))

    async def test_the_phase_that_took_too_long_is_named(self) -> None:
        with pytest.raises(FetchTimeout) as raised:
            await self.fetched(await self.serve_flawed(Flaw.SILENT, Body(1)), connect_timeout=0.3)
        assert raised.value.detail == "The origin was too slow: connecting took longer than 0.3 s."
        with pytest.raises(FetchTimeout) as raised:
            await self.fetched(await self.serve_flawed(Flaw.STALLED, Body(MIB)), read_timeout=0.3)
        assert raised.value.facts["phase"] == "the wait for the next bytes of the file"
        with pytest.raises(FetchTimeout) as raised:
            await self.fetched(await self.serve_flawed(Flaw.DRIPPING, Body(MIB)), total_timeout=0.3)
        assert raised.value.facts["phase"] == "the whole fetch"


class TestLife(FetchingHarness):
    def files_open_at_the_server(self) -> list[str]:
        names = []
        for link in Path(f"/proc/{self.server.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                names.append(str(link.readlink()))
        return [name for name in names if name.endswith("picture.png")]

    async def test_a_read_that_is_cancelled_loses_nothing(self) -> None:
        body = Body(3 * MIB)
        async with self.opened() as fetcher, fetcher.open(await self.serve(body)) as opened:
            pieces = []
            while True:
                reading = asyncio.ensure_future(anext(opened.chunks, b""))
                await asyncio.sleep(0)
                reading.cancel()  # mostly while it waits, and then the next one has to bring what it would have
                with suppress(asyncio.CancelledError):
                    pieces.append(await reading)
                    continue
                piece = await anext(opened.chunks, b"")
                if not piece:
                    break
                pieces.append(piece)
            assert b"".join(pieces) == body.whole()

    async def test_no_more_connections_than_allowed(self) -> None:
        source = await self.serve(Body(1000))
        fetcher = SftpFetcher(self.options(connections=1))
        entered = asyncio.Event()

        async def second() -> None:
            async with fetcher.open(source):
                entered.set()

        async with fetcher.open(source) as opened:
            waiting = asyncio.create_task(second())
            await collected(opened)
            assert not entered.is_set()
        await waiting
        assert entered.is_set()
        await fetcher.close()

    async def test_a_fetch_that_fails_gives_its_place_back(self) -> None:
        body = Body(1000)
        fetcher = SftpFetcher(self.options(connections=1))
        for flaw in (Flaw.MISSING, Flaw.DENIED, Flaw.DOWN, Flaw.RESET):
            with pytest.raises(FetchError):
                async with fetcher.open(await self.serve_flawed(flaw, body)) as opened:
                    await collected(opened)
        async with fetcher.open(await self.serve(body)) as opened:
            assert await collected(opened) == body.whole()
        await fetcher.close()

    @pytest.mark.parametrize("flaw", [Flaw.SILENT, Flaw.STALLED])
    async def test_closing_ends_what_is_under_way(self, flaw: Flaw) -> None:
        source = await self.serve_flawed(flaw, Body(MIB))
        fetcher = SftpFetcher(self.options())

        async def fetch() -> None:
            async with fetcher.open(source) as opened:
                await collected(opened)

        tasks = [asyncio.create_task(fetch()) for _ in range(3)]
        await asyncio.sleep(0.2)
        await asyncio.gather(fetcher.close(), fetcher.close())
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * 3
        with pytest.raises(ConnectionLost):
            await fetch()

    async def test_closing_ends_a_wait_for_a_place(self) -> None:
        source = await self.serve_flawed(Flaw.SILENT, Body(1))
        fetcher = SftpFetcher(self.options(connections=1))

        async def fetch() -> None:
            async with fetcher.open(source):
                pass

        tasks = [asyncio.create_task(fetch()) for _ in range(2)]
        await asyncio.sleep(0)
        await fetcher.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * 2

    async def test_an_error_of_the_reader_passes_unchanged(self) -> None:
        class ReadersOwn(OSError):
            pass

        source = await self.serve(Body(1000))
        async with self.opened(FetchLimits()) as fetcher:
            with pytest.raises(ReadersOwn):
                async with fetcher.open(source):
                    raise ReadersOwn

    async def test_nothing_is_left_at_the_server(self) -> None:
        source = await self.serve(Body(1000))
        async with self.opened() as fetcher:
            for _ in range(5):
                async with fetcher.open(source):
                    pass
        while self.files_open_at_the_server():
            await asyncio.sleep(0.05)
