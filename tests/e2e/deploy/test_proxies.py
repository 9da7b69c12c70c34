"""nginx and Caddy in front of a real service, with the files of ``deploy/proxies``."""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from lading.plugins.testing.images import noise_jpeg
from tests.support.servers.certificates import issue
from tests.support.servers.processes import ServiceProcess, wait_until
from tests.support.servers.programs import program
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import CONF, environment, token

PROXIES: Final = Path(__file__).parents[3] / "deploy" / "proxies"
ALBUM: Final = "imported_album"
CLIENT: Final = "127.0.0.7"
"""Where the client connects from: another address than the proxy's."""
IMAGE: Final = noise_jpeg(900)
LONGEST: Final = 4_000_000
"""Bytes of the longest image that the service takes; nginx would take 1 MiB by default."""
TUS: Final = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Proxied:
    """A client of the proxy, with a token that may do everything."""

    port: int
    tls: ssl.SSLContext
    token: str

    def connect(self) -> http.client.HTTPSConnection:
        """A connection that trusts the proxy's certificate alone."""
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=20, context=self.tls, source_address=(CLIENT, 0)
        )

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, fields and body of an answer."""
        with closing(self.connect()) as connection:
            with contextlib.suppress(OSError):  # an answer may come before all of the body was sent
                connection.request(method, f"/api/v1/{path}", body, self.fields(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def fields(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """The fields of a request, which claims to come from elsewhere."""
        return {"Authorization": f"Bearer {self.token}", "X-Forwarded-For": "203.0.113.9", **(more or {})}


def configured(name: str, changes: dict[str, str]) -> str:
    """A file of ``deploy/proxies``, with the places and ports of the test."""
    text = (PROXIES / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def nginx_command(folder: Path, port: int, plain: int, upstream: int, certificate: Path) -> list[str]:
    site = configured(
        "nginx.conf",
        {
            "127.0.0.1:8080": f"127.0.0.1:{upstream}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "images.example.org;": "localhost;",
            "/etc/letsencrypt/live/images.example.org/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/images.example.org/privkey.pem": str(certificate),
        },
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; events {{}} http {{ access_log off; {temporary} {site} }}"
    )
    return [
        program("nginx", "nginx-light"),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]


def caddy_command(folder: Path, port: int, plain: int, upstream: int, certificate: Path) -> list[str]:
    tls = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {certificate}\n"
    site = configured("Caddyfile", {"127.0.0.1:8080": f"127.0.0.1:{upstream}", "images.example.org {\n": tls})
    ours = f"{{\n\tadmin off\n\tgrace_period 1s\n\thttp_port {plain}\n\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(ours + site)
    return [program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


COMMANDS: Final = {"nginx": nginx_command, "caddy": caddy_command}


@pytest.fixture(scope="module", params=COMMANDS)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """A client, the proxy, and the service behind it."""
    folder = tmp_path_factory.mktemp(request.param)
    issue("localhost").server(folder)
    port, plain, upstream = free_port(), free_port(), free_port()
    command = COMMANDS[request.param](folder, port, plain, upstream, folder / "server.pem")
    with serving(folder, upstream) as service, running(command, folder, port):
        abilities = ("image_upload", "image_list", "image_download")
        tls = ssl.create_default_context(cafile=str(folder / "server.pem"))
        request.config.stash[SERVICE] = service
        request.config.stash[PLAIN] = plain
        yield Proxied(port, tls, token(abilities=abilities))


SERVICE: Final = pytest.StashKey[ServiceProcess]()
PLAIN: Final = pytest.StashKey[int]()


@contextmanager
def serving(folder: Path, port: int) -> Iterator[ServiceProcess]:
    """A service that believes its proxy."""
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(
        folder,
        LADING_SERVICE__PORT=str(port),
        LADING_SERVICE__TRUSTED_PROXIES="127.0.0.1/32",
        LADING_UPLOADS__MAX_BYTES=str(LONGEST),
        LADING_UPLOADS__DIRECTORY=str(folder / "uploads"),
    )
    with ServiceProcess(("serve", "--config", str(conf)), environ, folder) as service:
        service.wait_for("listening")
        yield service
        assert service.terminate() == 0


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The proxy, until the block ends."""
    environ = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "told").open("wb") as told:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environ)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "told").read_text(errors="replace")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def accepted(client: Proxied) -> str:
    """The id of an import that waits for its bytes."""
    status, _, body = client.ask(
        "POST", "imports", json.dumps({"album_id": ALBUM}), {"Content-Type": "application/json"}
    )
    assert status == 200, body
    return str(json.loads(body)["id"])


def stored(client: Proxied) -> dict[str, Any]:
    """The document of an image that the client has sent."""
    status, _, body = client.ask("PUT", f"imports/{accepted(client)}/content", IMAGE)
    assert status == 200, body
    document: dict[str, Any] = json.loads(body)
    return document


def test_the_service_learns_the_client_s_address_and_no_other(proxied: Proxied, pytestconfig: pytest.Config) -> None:
    assert proxied.ask("GET", "imports/of-a-stranger")[0] == 404
    service = pytestconfig.stash[SERVICE]
    wait_until(lambda: any(line["path"].endswith("of-a-stranger") for line in service.logged("request")))
    (line,) = (one for one in service.logged("request") if one["path"].endswith("of-a-stranger"))
    assert line["client"] == CLIENT


def test_ranges_and_conditions_pass(proxied: Proxied) -> None:
    path = f"images/{stored(proxied)['image_id']}/content"
    status, fields, body = proxied.ask("GET", path, headers={"Range": "bytes=100-299"})
    assert (status, body) == (206, IMAGE[100:300])
    assert fields["Content-Range"] == f"bytes 100-299/{len(IMAGE)}"
    assert proxied.ask("GET", path, headers={"If-None-Match": fields["ETag"]})[0] == 304
    assert proxied.ask("GET", path)[2] == IMAGE


def test_a_resumable_upload_goes_on_where_its_connection_broke(proxied: Proxied) -> None:
    metadata = "album_id " + base64.b64encode(ALBUM.encode()).decode()
    status, fields, _ = proxied.ask(
        "POST", "uploads", headers={**TUS, "Upload-Length": str(len(IMAGE)), "Upload-Metadata": metadata}
    )
    assert status == 201
    upload = fields["Location"].removeprefix("/api/v1/")
    half = len(IMAGE) // 2

    def offset() -> int:
        return int(proxied.ask("HEAD", upload, headers=TUS)[1]["Upload-Offset"])

    with closing(proxied.connect()) as broken:
        broken.putrequest("PATCH", f"/api/v1/{upload}")
        more = {
            "Upload-Offset": "0",
            "Content-Length": str(len(IMAGE)),
            "Content-Type": "application/offset+octet-stream",
        }
        for name, value in proxied.fields({**TUS, **more}).items():
            broken.putheader(name, value)
        broken.endheaders(IMAGE[:half])
    wait_until(lambda: offset() > 0)
    kept = offset()
    more = {"Upload-Offset": str(kept), "Content-Type": "application/offset+octet-stream"}
    status, fields, body = proxied.ask("PATCH", upload, IMAGE[kept:], {**TUS, **more})
    assert (status, fields["Upload-Offset"]) == (204, str(len(IMAGE))), body
    import_id = upload.rpartition("/")[2]
    wait_until(lambda: json.loads(proxied.ask("GET", f"imports/{import_id}")[2])["status"] == "done")


def test_an_image_that_is_too_long_gets_lading_s_answer(proxied: Proxied) -> None:
    status, _, body = proxied.ask("PUT", f"imports/{accepted(proxied)}/content", bytes(LONGEST + 1))
    assert (status, json.loads(body)["code"]) == (413, "request_body_too_large")


def test_events_come_at_once(proxied: Proxied) -> None:
    with closing(proxied.connect()) as watching:
        watching.request("GET", f"/api/v1/events?album_id={ALBUM}", headers=proxied.fields())
        stream = watching.getresponse()
        assert stream.status == 200
        image_id = stored(proxied)["image_id"]
        while f'"image_id":"{image_id}"'.encode() not in (line := stream.readline()):
            assert line, "the stream ended"


def test_plain_http_is_sent_to_https(proxied: Proxied, pytestconfig: pytest.Config) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", pytestconfig.stash[PLAIN], timeout=20)) as connection:
        connection.request("GET", "/docs", headers={"Host": "localhost"})
        answer = connection.getresponse()
    assert answer.status in (301, 308)
    assert (answer.headers["Location"] or "").startswith("https://localhost")
