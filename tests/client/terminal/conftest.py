"""Commands in a folder of their own, against the service of all tests of the client."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lading.plugins.testing.images import jpeg
from tests.client.conftest import ABILITIES, Place
from tests.support.servers.processes import Finished, lading
from tests.support.servers.service import token

Run = Callable[..., Finished]


@pytest.fixture(scope="session")
def environ(place: Place) -> dict[str, str]:
    return {"LADING_URL": place.url, "LADING_TOKEN": token(abilities=ABILITIES), "NO_COLOR": "1"}


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Run:
    """Runs a command in the test's folder."""

    def ran(*arguments: str, stdin: str = "", **other: str) -> Finished:
        return lading(*arguments, cwd=tmp_path, environ={**environ, **other}, stdin=stdin)

    return ran


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three images, a broken one and an empty one, and a hidden file."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.jpg", "more/c.jpg")):
        (folder / name).write_bytes(jpeg(40, 30, seed=number) + str(tmp_path).encode())
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"x")
    return folder


def words(lines: str) -> Sequence[Sequence[str]]:
    """The fields of printed lines, in the order of their sources."""
    return sorted((line.split("\t") for line in lines.splitlines()), key=lambda fields: fields[2])
