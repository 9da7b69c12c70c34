"""The order of effects on disk, as the kernel saw it (P1, P3, P4): what is promised is durable before it is said.

``strace`` follows a real service through one import. A line that it prints as unfinished counts for where the call
began, its other half for where it ended.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, Client, environment, final, token

CALLS = "fsync,fdatasync,link,linkat,rename,renameat,renameat2,pwrite64,write,writev,sendto"


class Trace:
    """The calls of one run, in the order in which they began and ended."""

    def __init__(self, text: str) -> None:
        self._lines = [line.split(None, 1)[1] for line in text.splitlines() if " " in line]
        self._threads = [line.split(None, 1)[0] for line in text.splitlines() if " " in line]

    def began(self, pattern: str, after: int = -1) -> int:
        """Number of the first line behind ``after`` where such a call begins."""
        for number in range(after + 1, len(self._lines)):
            if re.search(pattern, self._lines[number]) and "resumed>" not in self._lines[number]:
                return number
        raise AssertionError(f"there is no {pattern!r} behind line {after}")

    def ended(self, began: int) -> int:
        """Number of the line where the call that began on a line ended, and well."""
        number = began
        if "<unfinished ...>" in self._lines[began]:
            number += 1
            while self._threads[number] != self._threads[began]:
                number += 1
        assert re.search(r"\) += \d+", self._lines[number]), self._lines[number]
        return number


@pytest.fixture
def strace() -> str:
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    return path


@pytest.mark.gen_test(timeout=90)
async def test_what_is_promised_is_durable_first(tmp_path: Path, strace: str) -> None:
    trace_file = tmp_path / "trace"
    command = (strace, "-f", "-y", "-s", "8192", "-e", f"trace={CALLS}", "-o", str(trace_file), sys.executable)
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    environ = environment(tmp_path, LADING_SERVICE__LOG_FORMAT="json")
    data = jpeg()
    sha256 = hashlib.sha256(data).hexdigest()
    async with Origin({"/a.jpg": answer(data)}) as origin:
        arguments = ("serve", "--config", str(tmp_path / "service.conf"))
        with ServiceProcess(arguments, environ, python=command) as service:
            listening = await asyncio.to_thread(service.wait_for, "listening", 60)
            client = Client(listening["address"], token())
            posted = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
            import_id = json.loads(posted.body)["id"]
            assert (await final(client, import_id))["status"] == "done"
            await asyncio.to_thread(service.wait_for, "import")
            os.kill(listening["pid"], signal.SIGTERM)  # the service, rather than strace
            await asyncio.to_thread(service.process.wait, 30)

    trace = Trace(trace_file.read_text(encoding="utf-8", errors="replace"))
    wal, name = r"lading\.sqlite3-wal>", re.escape(import_id)

    inserted = trace.ended(trace.began(rf"^pwrite64\(\d+<[^>]*{wal}, .*{name}"))
    committed = trace.ended(trace.began(rf"^f(data)?sync\(\d+<[^>]*{wal}", inserted))
    answered = trace.began(rf"HTTP/1\.1 200 OK.*{name}")
    assert committed < answered, "the database must be synced before the 200 leaves"

    shard = f"images/{import_id[:2]}"
    file_synced = trace.ended(trace.began(rf"^f(data)?sync\(\d+<[^>]*/(\.incoming/|{shard}/#)"))
    published = trace.began(rf"^(link|rename)\w*\(.*(\.incoming|/proc/self/fd/).*{name}")
    assert file_synced < published, "the whole file must be synced before it has its final name"
    folder = rf"^f(data)?sync\(\d+<[^>]*/{shard}>"
    folder_synced = trace.ended(trace.began(folder, trace.ended(published)))
    done_written = trace.began(rf"^pwrite64\(\d+<[^>]*{wal}, .*{sha256}")
    assert folder_synced < done_written, "the folder must be synced before the document says done"
    done_committed = trace.ended(trace.began(rf"^f(data)?sync\(\d+<[^>]*{wal}", done_written))
    assert done_committed < trace.began(rf"^write\(2<.*{name}.*done"), "nor is it said before it is durable"
