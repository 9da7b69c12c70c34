"""The processor ``clamav``, against a clamd of the tests; and against Debian's, with a signature of the test's own."""

import asyncio
import errno
import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

import lading.plugins.processors.clamav.clamd
from lading.plugins.contracts import ImageInfo
from lading.plugins.contracts.processing import Picture
from lading.plugins.errors import ImageNotScanned, MalwareFound, PluginError, ProcessorUnavailable
from lading.plugins.processors.clamav.clamd import CHUNK_BYTES, host_and_port
from lading.plugins.processors.clamav.processor import ClamavOptions, ClamavProcessor
from lading.plugins.testing.processor.clamd import NEEDLE, SIGNATURE, FakeClamd, fake_clamd
from lading.plugins.testing.processor.support import output_of
from tests.support.servers.processes import wait_until
from tests.support.servers.programs import program

INFO = ImageInfo("PNG", "image/png", 3, 2)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: a path of a socket has 107 characters at most."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def clamd(folder: Path) -> Iterator[FakeClamd]:
    with fake_clamd(folder / "ctl") as server:
        yield server


@asynccontextmanager
async def processor_at(address: str, **options: object) -> AsyncIterator[ClamavProcessor]:
    processor = ClamavProcessor(ClamavOptions.model_validate({"address": address, **options}))
    try:
        yield processor
    finally:
        await processor.close()


async def error_of(address: str, data: bytes, folder: Path, **options: object) -> PluginError | None:
    """What the processor raises about a file; None if it lets it pass. It never writes a file."""
    path = folder / "image"
    path.write_bytes(data)
    async with processor_at(address, **options) as processor:
        with output_of(1000) as output:
            try:
                answer = await processor.process(
                    Picture(path, len(data), "0" * 64, INFO, "organization", "issuer"), output
                )
            except PluginError as error:
                return error
            assert (answer.replaced, dict(answer.facts), output.path.stat().st_size) == (False, {}, 0)
    return None


@pytest.mark.gen_test
async def test_what_clamd_finds_is_refused_wherever_it_is(clamd: FakeClamd, folder: Path) -> None:
    address = str(folder / "ctl")
    around = bytes(CHUNK_BYTES - 3)
    for data, is_found in ((b"", False), (around * 3, False), (NEEDLE, True), (around + NEEDLE + around, True)):
        error = await error_of(address, data, folder)
        assert isinstance(error, MalwareFound) is is_found
        if error is not None:
            assert (error.code, error.retryable, error.facts) == ("malware_found", False, {"signature": SIGNATURE})
    assert clamd.received == 4


@pytest.mark.gen_test
@pytest.mark.parametrize(("too_long", "kind"), [("refuse", ImageNotScanned), ("keep", None)])
async def test_a_file_that_is_too_long_for_clamd(
    clamd: FakeClamd, folder: Path, too_long: str, kind: type[PluginError] | None
) -> None:
    """clamd replies, and closes, while most of the file is still to come."""
    clamd.max_length = 1000
    error = await error_of(str(folder / "ctl"), bytes(40 * CHUNK_BYTES), folder, too_long=too_long)
    assert (None if error is None else type(error)) is kind
    assert error is None or not error.retryable


@pytest.mark.gen_test
@pytest.mark.parametrize(("too_long", "kind"), [("refuse", ImageNotScanned), ("keep", None)])
async def test_a_file_beyond_another_limit_of_clamd_is_no_malware(
    clamd: FakeClamd, folder: Path, too_long: str, kind: type[PluginError] | None
) -> None:
    clamd.reply = "stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND"
    error = await error_of(str(folder / "ctl"), b"data", folder, too_long=too_long)
    assert (None if error is None else type(error)) is kind


@pytest.mark.gen_test
async def test_a_file_that_this_machine_cannot_read_is_an_outage(
    clamd: FakeClamd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_path: Path, _offset: int) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(lading.plugins.processors.clamav.clamd, "_piece", fails)
    error = await error_of(str(folder / "ctl"), b"data", folder)
    assert isinstance(error, ProcessorUnavailable)
    assert clamd.received == 0


@pytest.mark.gen_test
@pytest.mark.parametrize("reply", ["", "stream: Can't allocate memory ERROR", "COMMAND READ TIMED OUT", "stream: OKAY"])
async def test_a_clamd_without_a_verdict_is_an_outage(clamd: FakeClamd, folder: Path, reply: str) -> None:
    clamd.reply = reply
    error = await error_of(str(folder / "ctl"), b"data", folder)
    assert isinstance(error, ProcessorUnavailable)
    assert error.retryable
    assert reply.removeprefix("stream: ") in error.internal.replace("\\", "")


@pytest.mark.gen_test
async def test_a_signature_s_name_is_safe_for_clients(clamd: FakeClamd, folder: Path) -> None:
    clamd.reply = "stream: <b>\u202e x " + "y" * 300 + " FOUND"
    error = await error_of(str(folder / "ctl"), b"data", folder)
    assert isinstance(error, MalwareFound)
    assert error.facts == {"signature": "_b_x_" + "y" * 95}


@pytest.mark.gen_test
async def test_nobody_listens_and_nobody_answers(folder: Path) -> None:
    listener = await asyncio.start_server(_silent, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        error = await error_of(f"127.0.0.1:{port}", b"data", folder, timeout=0.1)
        assert isinstance(error, ProcessorUnavailable)
        assert "within 0.1 s" in error.internal
    for address in (f"127.0.0.1:{port}", str(folder / "nobody")):
        assert isinstance(await error_of(address, b"data", folder), ProcessorUnavailable)
        async with processor_at(address) as processor:
            with pytest.raises(ProcessorUnavailable):
                await processor.ping()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.gen_test
async def test_ping(clamd: FakeClamd, folder: Path) -> None:
    async with processor_at(str(folder / "ctl")) as processor:
        await processor.ping()


@pytest.mark.parametrize(
    ("address", "parts"),
    [("scan:99", ("scan", 99)), ("scan", ("scan", 3310)), ("[::1]:99", ("::1", 99)), ("[::1]", ("::1", 3310))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


@pytest.mark.parametrize("address", ["", ":99", "scan:", "scan:0", "scan:65536", "scan:x", "scan:²"])
def test_refused_addresses(address: str) -> None:
    with pytest.raises(ValidationError):
        ClamavOptions(address=address)


# --- the real one -----------------------------------------------------------------------------------------------------


@contextmanager
def debians_clamd(folder: Path, more: str = "") -> Iterator[str]:
    """Debian's clamd with one signature; its address."""
    binary = program("clamd", "clamav-daemon")
    database = folder / "signatures"
    database.mkdir()
    text = NEEDLE.hex()
    (database / "test.ndb").write_text(f"Lading.Test-1:0:*:{text}\n", encoding="ascii")
    address = folder / "ctl"
    conf = folder / "clamd.conf"
    conf.write_text(
        f"LocalSocket {address}\nDatabaseDirectory {database}\nForeground yes\nUser {_user()}\n"
        f"OfficialDatabaseOnly no\n{more}",
        encoding="utf-8",
    )
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([binary, "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or address.exists(), 60)
            assert process.poll() is None, (folder / "log").read_text(errors="replace")
            yield str(address)
        finally:
            process.kill()


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.long_form
@pytest.mark.gen_test(timeout=120)
async def test_debian_s_clamd(folder: Path) -> None:
    with debians_clamd(folder, "StreamMaxLength 1M\n") as address:
        async with processor_at(address) as processor:
            await processor.ping()
        assert await error_of(address, bytes(3 * CHUNK_BYTES), folder) is None
        error = await error_of(address, bytes(CHUNK_BYTES) + NEEDLE, folder)
        assert isinstance(error, MalwareFound)
        assert error.facts == {"signature": SIGNATURE}
        for _ in range(20):
            assert isinstance(await error_of(address, bytes(40 * CHUNK_BYTES), folder), ImageNotScanned)


@pytest.mark.long_form
@pytest.mark.gen_test(timeout=120)
@pytest.mark.parametrize("limit", ["MaxFileSize", "MaxScanSize"])
async def test_debian_s_clamd_tells_of_its_other_limits(folder: Path, limit: str) -> None:
    with debians_clamd(folder, f"{limit} 1M\nAlertExceedsMax yes\n") as address:
        assert isinstance(await error_of(address, bytes(40 * CHUNK_BYTES), folder), ImageNotScanned)


@pytest.mark.gen_test
async def test_a_full_queue_of_clamd_is_waited_for(folder: Path) -> None:
    """connect(2) of a Unix socket gives EAGAIN then, and no connection comes of it."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(folder / "ctl"))
        listener.listen(0)
        first.connect(str(folder / "ctl"))
        async with processor_at(str(folder / "ctl")) as processor:
            asked = asyncio.create_task(processor.ping())
            done, _ = await asyncio.wait((asked,), timeout=0.1)
            assert not done
            listener.accept()[0].close()
            accepted = await asyncio.to_thread(listener.accept)
            with accepted[0] as connection:
                assert connection.recv(100) == b"zPING\0"
                connection.sendall(b"PONG\0")
            await asked
