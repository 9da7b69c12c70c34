"""Plugins whose modules change what all of the process use, and suites whose server does not start."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.plugins.testing.common.importing import ImportCases
from lading.plugins.testing.suite import NotStarted, Suite, run_case, slowness

HURRIED = """
import locale, logging, os, signal, socket, threading, time
from PIL import Image, ImageFile

socket.setdefaulttimeout(10)
socket.getaddrinfo = lambda *rest: []
Image.register_open("HEIF", None)
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = True
signal.signal(signal.SIGTERM, signal.SIG_IGN)
logging.basicConfig(level="DEBUG")
os.environ["AZURE_LOG_LEVEL"] = "secret"
locale.setlocale(locale.LC_ALL, "C.UTF-8")
os.umask(0)
threading.Thread(target=time.sleep, args=(60,), name="uploader", daemon=True).start()

class Plugin:
    pass
"""
SAID = (
    "the default timeout of sockets (None before, 10.0 after)",
    "socket.getaddrinfo",
    "Pillow's registry of formats, with HEIF",
    "Pillow's MAX_IMAGE_PIXELS (89478485 before, None after)",
    "Pillow's LOAD_TRUNCATED_IMAGES (False before, True after)",
    "the handler of SIGTERM",
    "the level of the root logger (30 before, 10 after)",
    "the handlers of the root logger, with StreamHandler",
    "the environment's AZURE_LOG_LEVEL",
    "the umask",
    "the threads, with uploader",
)


class Importing(ImportCases):
    plugin: object

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[object]:
        yield self.plugin


def test_a_module_that_changes_what_all_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lading_hurried.py").write_text(HURRIED)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    suite = Importing()
    suite.plugin = type("Plugin", (), {"__module__": "lading_hurried"})()
    with pytest.raises(AssertionError) as caught:
        run_case(suite, suite.test_importing_it_changes_nothing_else())
    told = str(caught.value)
    assert "importing lading_hurried changes" in told
    assert [phrase for phrase in SAID if phrase not in told] == []
    assert "secret" not in told


async def nothing() -> None:
    raise AssertionError("the case is not begun")


def test_a_server_that_does_not_start_ends_the_suite(tmp_path: Path) -> None:
    class Broken(Suite):
        @asynccontextmanager
        async def running(self) -> AsyncIterator[None]:
            if not self.place.exists():
                raise OSError("the server says: no licence")
            yield

    suite = Broken()
    suite.place = tmp_path / "place"
    with pytest.raises(NotStarted, match=r"running\(\) of Broken fails: OSError: the server says: no licence"):
        run_case(suite, nothing())
    assert suite.not_started == "OSError: the server says: no licence"
    assert Suite.not_started is None


def test_the_kit_tells_when_it_ends_a_case() -> None:
    class Patient(Suite):
        case_seconds = 0.05

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"the kit ended the case after .* case_seconds is 0.05"):
        run_case(Patient(), wait())
    assert 1 <= slowness() <= 10


def test_asyncio_does_not_log_what_the_suite_itself_computes(caplog: pytest.LogCaptureFixture) -> None:
    async def compute() -> None:
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        before = time.thread_time()
        while time.thread_time() - before < 0.11:  # more than the 0.1 s after which asyncio calls a callback slow
            pass

    suite = Suite()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "get_debug", lambda self: True)
        run_case(suite, compute())
    assert not caplog.records
