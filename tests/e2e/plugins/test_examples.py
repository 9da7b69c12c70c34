"""The example plugins as strangers use them: installed beside Lading in a fresh environment, tested there, and run."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.testing import images
from tests.support.installed import NOT_COPIED, Distributions, Environment, build_wheels
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, environment, token

ROOT = Path(__file__).parents[3]
EXAMPLES = ("lading-heic", "lading-sftp", "lading-svg")
HEIC = ROOT / "examples" / "lading-heic" / "lading_heic" / "samples" / "turned.heic"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30"/></svg>'
PASSWORD = "a password"
MAKE_KEY = "import asyncssh; print(asyncssh.generate_private_key('ssh-ed25519').export_public_key().decode())"
CONFIGURATION = """
[fetch]
plugins = http, data, sftp

[fetch.sftp]
hosts = 127.0.0.1:{port}
username = lading
password = $env:SFTP_PASSWORD
host_keys = 127.0.0.1 {host_key}

[detect]
plugins = pillow, svg, heic

[process]
plugins = heic, metadata

[process.metadata]
unknown = keep

[process.heic]
keep_albums = originals
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, distributions: Distributions) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("fresh"))
    environment.link_needed("lading[testing]")
    for example in EXAMPLES:
        shutil.copytree(ROOT / "examples" / example, environment.folder / example, ignore=NOT_COPIED)
    wheels = build_wheels([environment.folder / example for example in EXAMPLES], environment.folder / "wheels")
    environment.install(f"{distributions.wheel}[testing]", *(f"{wheel}[test]" for wheel in wheels))
    return environment


@contextmanager
def sftp_server(fresh: Environment, root: Path) -> Iterator[dict[str, Any]]:
    """The example's own SFTP server, in a process of the fresh environment; what it says of itself."""
    command = [str(fresh.python), "-P", "-m", "lading_sftp.server"]
    public_key = fresh.run("-c", MAKE_KEY).strip()
    settings = {"root": str(root), "username": "lading", "password": PASSWORD, "client_key": public_key}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # it ends with its input
            process.wait(10)


@pytest.mark.long_form
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", EXAMPLES)
def test_its_own_tests_pass_where_it_is_all_there_is(fresh: Environment, example: str) -> None:
    printed = fresh.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=fresh.folder / example)
    assert " passed" in printed


@pytest.mark.timeout(600)
def test_an_image_is_imported_through_all(fresh: Environment, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "inbox").mkdir(parents=True)
    (files / "inbox" / "drawing.svg").write_bytes(SVG)
    (files / "inbox" / "photo.jpg").write_bytes(images.jpeg())
    (files / "inbox" / "phone.heic").write_bytes(HEIC.read_bytes())
    (files / "inbox" / "evil.svg").write_bytes(SVG.replace(b"<rect", b"<script>alert(1)</script><rect"))
    conf = tmp_path / "service.conf"
    with sftp_server(fresh, files) as server:
        conf.write_text(CONF + CONFIGURATION.format(**server))
        environ = environment(
            tmp_path, **fresh.environ, SFTP_PASSWORD=PASSWORD, LADING_SERVICE__LOG_FORMAT="json", PYTHONPATH=""
        )
        arguments = ("serve", "--config", str(conf))
        with ServiceProcess(arguments, environ, tmp_path, python=[str(fresh.python)]) as service:
            address = str(service.wait_for("listening")["address"])
            client = HttpClient(address, token())
            inbox = f"sftp://127.0.0.1:{server['port']}/inbox"
            found = {}
            for name in ("drawing.svg", "photo.jpg", "evil.svg", "phone.heic"):
                found[name] = client.final(client.accepted(f"album_id=imported_album&url={inbox}/{name}"))
            owner = HttpClient(address, token(album="originals"))
            kept = owner.final(owner.accepted(f"album_id=originals&url={inbox}/phone.heic"))
    drawing, photo, evil = found["drawing.svg"], found["photo.jpg"], found["evil.svg"]
    assert (drawing["status"], drawing["import_type"]) == ("done", "sftp"), drawing
    assert (drawing["image"]["format"], drawing["image"]["content_type"]) == ("SVG", "image/svg+xml")
    assert (drawing["image"]["width"], drawing["image"]["height"]) == (40, 30)
    stored = tmp_path / "images" / drawing["id"][:2] / drawing["id"]
    assert stored.read_bytes() == SVG
    assert (photo["status"], photo["image"]["format"]) == ("done", "JPEG")
    phone = found["phone.heic"]["image"]
    assert (phone["format"], phone["width"], phone["height"]) == ("JPEG", 64, 128)
    assert phone["source_sha256"] == kept["image"]["sha256"] == hashlib.sha256(HEIC.read_bytes()).hexdigest()
    assert kept["image"]["format"] == "HEIC"
    assert evil["status"] == "failed"
    assert evil["error"]["code"].startswith("svg_")


def test_they_know_nothing_of_lading_but_the_plugin_package() -> None:
    for example in EXAMPLES:
        for path in (ROOT / "examples" / example).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "from service" not in text, path
            assert "from backends" not in text, path
