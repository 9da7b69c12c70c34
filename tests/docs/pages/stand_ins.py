"""What stands for the hosts, buckets and databases that pages name, so that no command leaves this machine."""

import re
import shutil
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lading.plugins.testing.clouds.processes import Endpoint, GcsEndpoint, S3Endpoint
from lading.plugins.testing.images import broken, samples
from tests.support.plugins.distributions import AUTHORS_PYTEST
from tests.support.servers.mongod import ReplicaSet
from tests.support.servers.programs.ports import free_port

ROOT: Final = Path(__file__).parents[3]
EXAMPLE: Final = "https://www.example.org"
SERVICE: Final = "127.0.0.1:8080"
RECEIVER: Final = "127.0.0.1:9000"
ADMIN: Final = "127.0.0.1:9090"
AZURITE: Final = "127.0.0.1:10000"
BUCKET: Final = "my-images"
_MONGODB: Final = re.compile(r"mongodb://[^\s'\"]*example\.org[^\s'\"]*")


def fill_origin(folder: Path) -> None:
    """Write the files that pages import from ``www.example.org`` and others."""
    shutil.copyfile(ROOT / "service/cli/demo/sample.jpg", folder / "photo.jpg")
    (folder / "logo.png").write_bytes(samples()["png"].data)
    (folder / "damaged.png").write_bytes(broken()["png-truncated"])
    for name in ("home.html", "page.html"):
        (folder / name).write_text("<!doctype html><title>No image</title>", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class StandIns:
    """What a page's names are replaced with before it is run, and back in what is printed.

    Attributes:
        port: of the service.
        environ: for every command of the page.
    """

    origin: str
    port: int = field(default_factory=free_port)
    receiver: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    others: dict[str, str] = field(default_factory=dict)
    mongodb: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def applied(self, text: str) -> str:
        """A command or file with what stands for each name."""
        if self.mongodb:
            text = _MONGODB.sub(lambda _: self.mongodb, text)
        for name, actual in sorted(self._pairs(), key=lambda pair: -len(pair[0])):
            text = text.replace(name, actual)
        return text

    def undone(self, text: str) -> str:
        """What was printed, with the names of the page."""
        for name, actual in sorted(self._pairs(), key=lambda pair: -len(pair[1])):
            text = text.replace(actual, name)
        return text

    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (EXAMPLE, self.origin),
            ("https://www.python.org/static/img/python-logo.png", f"{self.origin}/logo.png"),
            ("https://www.python.org/", f"{self.origin}/home.html"),
            (SERVICE, f"127.0.0.1:{self.port}"),
            (RECEIVER, f"127.0.0.1:{self.receiver}"),
            (ADMIN, f"127.0.0.1:{self.admin}"),
            ("port = 9090", f"port = {self.admin}"),
            ("--port 9000", f"--port {self.receiver}"),
            ("ports = 80, 443, 9000", "ports = 1-65535"),
            *self.others.items(),
        ]


def stand_ins(text: str, origin: str, asked: Callable[[str], object]) -> StandIns:
    """The stand-ins that a page needs.

    Args:
        text: of the page.
        origin: base URL of the origin with the files of ``fill_origin``.
        asked: gives a fixture by name; none is started that the page does not need.
    """
    others: dict[str, str] = {}
    # A page that opens networks itself is taken at its word.
    environ = {} if "allow_networks =" in text else dict(_NETWORK)
    mongodb = ""
    if "mongodb://" in text:
        running, database = asked("mongo_set"), asked("mongo_environ")
        assert isinstance(running, ReplicaSet)
        assert isinstance(database, dict)
        mongodb = running.uri
        environ["LADING_DOCUMENTS_MONGO__DATABASE"] = database["LADING_DOCUMENTS_MONGO__DATABASE"]
    if "[storage.s3]" in text:
        s3 = asked("s3_endpoint")
        assert isinstance(s3, S3Endpoint)
        others["https://minio.example.org"] = s3.url
        _create(s3, others)
        environ |= {"AWS_ACCESS_KEY_ID": s3.access_key_id, "AWS_SECRET_ACCESS_KEY": s3.secret_access_key}
    if "[storage.gcs]" in text:
        gcs = asked("gcs_endpoint")
        assert isinstance(gcs, GcsEndpoint)
        _create(gcs, others)
        others["[storage.gcs]"] = f"[storage.gcs]\nendpoint = {gcs.url}\nanonymous = true"
    if "[storage.azure]" in text:
        port, site = free_port(), asked("tmp_path")
        assert isinstance(site, Path)
        others |= {AZURITE: f"127.0.0.1:{port}", "--blobPort 10000": f"--blobPort {port}"}
        environ |= _own_packages(site / "site")
    return StandIns(origin, others=others, mongodb=mongodb, environ=environ)


def _own_packages(site: Path) -> dict[str, str]:
    """A place of its own for what pip installs, beside the packages of the tests; npm is that of this user."""
    return {
        "PYTHONPATH": str(site),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "npm_config_cache": str(Path.home() / ".npm"),
        "npm_config_userconfig": str(Path.home() / ".npmrc"),
        **AUTHORS_PYTEST,
    }


def _create(endpoint: Endpoint, others: dict[str, str]) -> None:
    """Create the bucket of the page, which has the same name wherever it is."""
    name = others.setdefault(BUCKET, f"lading-{uuid.uuid4().hex}")
    with urllib.request.urlopen(endpoint.creating(name), timeout=30) as response:
        response.read()


_NETWORK: Final = {
    "LADING_FETCH_HTTP__ALLOW_NETWORKS": "127.0.0.0/8",
    "LADING_FETCH_HTTP__PORTS": "1-65535",
}
