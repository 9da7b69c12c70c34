"""The client on every Python that it supports, with httpx alone: its unit tests, and README's lines on a real service.

``LADING_REQUIRE`` names ``pythons`` where all of them must be there.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.client.conftest import Place
from tests.docs.pages.blocks import blocks
from tests.support.installed import ROOT, run
from tests.support.servers.programs import missing
from tests.support.servers.service import token

VERSIONS = ("3.11", "3.12", "3.13")


def interpreter(version: str) -> str:
    """A Python of the version: on PATH, or one of pyenv's."""
    found = shutil.which(f"python{version}", path=os.environ["PATH"])
    if found is not None and _works(found):
        return found
    for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")):
        return str(path)
    raise missing("pythons", f"there is no Python {version}")


def _works(python: str) -> bool:
    """Whether it is one, and not a shim of pyenv for a version that is not chosen."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


@pytest.mark.long_form
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_works_on(version: str, place: Place, tmp_path: Path) -> None:
    python = interpreter(version)
    run(python, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    own = str(tmp_path / "venv" / "bin" / "python")
    run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "httpx>=0.28,<1", "pytest", cwd=tmp_path)
    options = ("-q", "--noconftest", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings=error")
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    printed = run(own, "-m", "pytest", *options, "tests/client/unit", cwd=ROOT, environ=environ)
    assert " passed" in printed
    (lines,) = [block.code for block in blocks(ROOT / "README.md") if block.language == "python"]
    script = lines.replace("https://www.python.org/static/img/python-logo.png", f"{place.origin}/logo.png")
    given = token(album="holidays", abilities=("image_upload", "image_download"))
    run(own, "-c", script, cwd=tmp_path, environ={**environ, "LADING_URL": place.url, "LADING_TOKEN": given})
    assert (tmp_path / "logo.png").read_bytes().startswith(b"\x89PNG")
    names = run(own, "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    assert "pydantic" not in names
