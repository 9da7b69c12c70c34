"""``tus-js-client`` uploads 200 MB, interrupted three times, once by kill -9 of the service; byte for byte."""

import asyncio
import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import npm
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import CONF, environment, token

SIDE = 8165
"""Pixels of each side of a bitmap of 200 MB."""
SCRIPT = """
const tus = require('tus-js-client');
const fs = require('fs');
const {ENDPOINT, TOKEN, IMAGE} = process.env;
const pauses = [50e6, 150e6];

const upload = new tus.Upload(fs.createReadStream(IMAGE), {
  endpoint: ENDPOINT,
  chunkSize: 16 * 1024 * 1024,
  uploadSize: fs.statSync(IMAGE).size,
  uploadDataDuringCreation: true,
  retryDelays: Array(60).fill(250),
  headers: {Authorization: `Bearer ${TOKEN}`},
  metadata: {album_id: 'imported_album', filename: 'large.bmp', metadata: '{"from":"tus"}'},
  onProgress(sent) {
    if (pauses.length && sent > pauses[0]) {
      pauses.shift();
      // The request is broken off in its middle, and the upload goes on from what has come.
      upload.abort().then(() => upload.start());
    }
    if (sent > 90e6) console.log('90');
  },
  onSuccess() { console.log(`done ${upload.url}`); },
  onError(error) { console.error(String(error)); process.exit(1); },
});
upload.start();
"""


def write_bitmap(path: Path) -> str:
    """A bitmap of noise; its SHA-256."""
    row = (SIDE * 3 + 3) // 4 * 4
    size = 54 + row * SIDE
    head = struct.pack("<2sIHHI", b"BM", size, 0, 0, 54)
    head += struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, row * SIDE, 2835, 2835, 0, 0)
    digest = hashlib.sha256(head)
    with path.open("wb") as file:
        file.write(head)
        noise = os.urandom(row * 64)
        for number in range(-(-SIDE // 64)):
            part = (noise[number:] + noise[:number])[: row * min(64, SIDE - 64 * number)]
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def service(directory: Path, port: int) -> ServiceProcess:
    conf = directory / "service.conf"
    conf.write_text(CONF.replace("port = 0", f"port = {port}"), encoding="utf-8")
    more = {
        "LADING_SERVICE__LOG_FORMAT": "json",
        "LADING_UPLOADS__MAX_BYTES": "300000000",
        "LADING_UPLOADS__DIRECTORY": str(directory / "uploads"),
        "LADING_DETECT_PILLOW__MAX_PIXELS": "100000000",
        "LADING_DETECT_PILLOW__MEMORY_LIMIT": "2147483648",
        "LADING_DETECT_PILLOW__VERIFY": "structure",
    }
    return ServiceProcess(("serve", "--config", str(conf)), environment(directory, **more), directory)


@pytest.mark.gen_test(timeout=240)
async def test_a_large_upload_survives_interruptions(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    folder = await asyncio.to_thread(npm.install, tmp_path / "client", "tus-js-client@4.3.1")
    sha256 = await asyncio.to_thread(write_bitmap, tmp_path / "large.bmp")
    port = free_port()
    credentials = token()
    environ = {
        "ENDPOINT": f"http://127.0.0.1:{port}/api/v1/uploads",
        "TOKEN": credentials,
        "IMAGE": str(tmp_path / "large.bmp"),
    }
    with service(tmp_path, port) as first:
        await asyncio.to_thread(first.wait_for, "listening")
        with npm.start_node(folder, SCRIPT, **environ) as client:
            assert client.stdout is not None
            assert await asyncio.to_thread(client.stdout.readline) == "90\n"
            first.kill()
            with service(tmp_path, port) as second:
                await asyncio.to_thread(second.wait_for, "listening")
                stdout, stderr = await asyncio.to_thread(_end_of, client)
                assert client.returncode == 0, stdout + stderr
                import_id = stdout.splitlines()[-1].rpartition("/")[2]
                document = await asyncio.to_thread(
                    HttpClient(f"http://127.0.0.1:{port}", credentials).document, import_id
                )
                peak = peak_kib(second.process.pid)
    assert (document["status"], document["import_type"]) == ("done", "upload")
    assert document["image"]["sha256"] == sha256
    assert document["params"]["metadata"] == {"from": "tus"}
    (stored,) = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha256
    assert list((tmp_path / "uploads").glob("*.part")) == []
    assert peak < 150 * 1024, "the upload was never in memory as a whole"


def _end_of(client: "subprocess.Popen[str]") -> tuple[str, str]:
    return client.communicate(timeout=180)
