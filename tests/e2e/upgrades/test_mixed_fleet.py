"""A process of the last release and one of this version work on one database while imports run: nothing is lost, and
nothing is done twice.
"""

import asyncio
import hashlib
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, head, origin_in_thread
from lading.service.cli.upkeep.migrate import NEEDED
from tests.support.servers.processes import HttpClient, ServiceProcess, lading, wait_until
from tests.support.servers.service import CONF, environment, token

ROOT = Path(__file__).parents[3]
RELEASE = "6a631f4"
"""The commit of release 0.2.0."""
COUNT = 24
"""Imports of each stage."""
STAGES = range(10)
"""As many as it takes until this version has work, too."""
ENOUGH = 6
"""Imports of this version while the release works, too."""
PAUSE = 0.5
"""Seconds for which the origin keeps an image, so that imports run all the time."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release, with the entry points of its plugins."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git")
    archive = subprocess.run([git, "archive", RELEASE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the history has no commit {RELEASE}: {archive.stderr.decode().strip()}")
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="tar")
    subprocess.run([sys.executable, "setup.py", "-q", "egg_info"], cwd=folder, check=True, capture_output=True)
    return folder


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes on one database and one storage.

    Attributes:
        folder: has both.
        environ: of every process.
        release: the code of the release.
        origin: has an image at every path, each another one.
    """

    folder: Path
    environ: dict[str, str]
    release: Path
    origin: Origin

    @contextmanager
    def serving(self, *, old: bool) -> Iterator[tuple[ServiceProcess, HttpClient]]:
        """A service with its worker."""
        environ = {**environment(self.folder, **self.environ), "LADING_WORKER__CONCURRENCY": "4"}
        environ |= {"LADING_SERVICE__SHUTDOWN_TIMEOUT": "1", "LADING_WORKER__LEASE": "10"}
        python = None
        if old:
            del environ["LADING_THUMBNAILS__DIRECTORY"]  # the release does not know the section
            environ["PYTHONPATH"] = str(self.release)
            python = (sys.executable,)
        command = ("serve", "--config", str(self.folder / "service.conf"))
        with ServiceProcess(command, environ, self.folder, python) as process:
            url = process.wait_for("listening")["address"]
            yield process, HttpClient(url, token())

    def post(self, client: HttpClient, stage: str) -> dict[str, str]:
        """Post imports; the path of each image by the id of its import."""
        paths = [f"/{stage}/{number}.jpg" for number in range(COUNT)]
        urls = [quote(self.origin.url(path), safe="") for path in paths]
        forms = [f"album_id=imported_album&url={url}" for url in urls]
        return {client.accepted(form): path for form, path in zip(forms, paths, strict=True)}


def image(path: str) -> bytes:
    """The image at a path: behind its end, each JPEG has bytes of its own."""
    return jpeg(16, 16) + hashlib.sha256(path.encode()).digest()


@pytest.fixture
def asked() -> Counter[str]:
    """How often the origin was asked for each path."""
    return Counter()


@pytest.fixture
def origin(asked: Counter[str]) -> Iterator[Origin]:
    async def behave(exchange: Exchange) -> bool:
        asked[exchange.request.target] += 1
        await asyncio.sleep(PAUSE)
        body = image(exchange.request.target)
        await exchange.send(head(200, {"Content-Length": str(len(body))}) + body)
        return True

    behaviour: Behaviour = behave
    stages = ["before", *(f"{whose}{stage}" for whose in ("old", "new") for stage in STAGES), "after"]
    paths = [f"/{stage}/{number}.jpg" for stage in stages for number in range(COUNT)]
    with origin_in_thread(Origin(dict.fromkeys(paths, behaviour))) as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.one_in(3))])
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    found: dict[str, str] = request.getfixturevalue("mongo_environ")
    return found


# It takes 20 seconds: an interpreter begins for each process of the release, and a lease must end.
@pytest.mark.long_form
def test_the_last_release_and_this_version_share_the_work(
    tmp_path: Path, release: Path, environ: dict[str, str], origin: Origin, asked: Counter[str]
) -> None:
    (tmp_path / "service.conf").write_text(CONF, encoding="utf-8")
    conf = ("--config", "service.conf")
    fleet = Fleet(tmp_path, environ, release, origin)
    with ExitStack() as stack:
        one, old = stack.enter_context(fleet.serving(old=True))
        another, _ = stack.enter_context(fleet.serving(old=True))
        paths = fleet.post(old, "before")
        due = lading("migrate", "--check", *conf, cwd=tmp_path, environ=environment(tmp_path, **environ))
        assert due.status == NEEDED, "the database is the release's"
        # The database is upgraded while both run imports.
        process, new = stack.enter_context(fleet.serving(old=False))
        for stage in STAGES:
            if len(process.logged("import")) >= ENOUGH:
                break
            paths |= fleet.post(old, f"old{stage}") | fleet.post(new, f"new{stage}")
            time.sleep(1)
        wait_until(lambda: len(process.logged("import")) >= ENOUGH, 60)
        ids = [line["import_id"] for line in process.logged("import")]
        # The page on upgrades says so: the release refuses to read what it does not know.
        assert {old.get(f"/api/v1/imports/{import_id}")[0] for import_id in ids} == {500}
        assert one.terminate() == 0
        another.kill()  # what it runs is taken over when its lease ends
        paths |= fleet.post(new, "after")
        documents = {import_id: new.final(import_id, 100) for import_id in paths}
    assert Counter(one["status"] for one in documents.values()) == {"done": len(paths)}
    stored = {path.name: path for path in (tmp_path / "images").rglob("*") if path.is_file()}
    assert len(stored) == len(paths)
    for import_id, document in documents.items():
        assert document["image"]["sha256"] == hashlib.sha256(image(paths[import_id])).hexdigest()
    # Only what ran in the killed process, or did not end within the other's grace, was fetched again.
    assert sum(asked.values()) <= len(paths) + 8
    audit = lading("storage", "audit", "--verify", *conf, cwd=tmp_path, environ=environment(tmp_path, **environ))
    assert (audit.status, audit.stderr) == (0, ""), audit.stdout
