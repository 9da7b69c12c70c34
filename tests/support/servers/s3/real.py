"""What the servers have in common: where they are found, and one bucket for everybody."""

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.session import Session

from lading.plugins.testing.clouds.processes import S3Endpoint
from tests.support.servers.programs import located


class RealEndpoint(S3Endpoint):
    """A server, with one bucket for everybody: some servers take long for a new one.

    Args:
        process: the server.
    """

    secret_access_key = "testing-secret"
    makes_troubles = False

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
    """The program of a Python package, beside this Python or on PATH; see ``located``."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return located(program, name, path, f"pip install {package}")
