"""The demo: a service on the embedded default, an origin with a sample image, and one import over real HTTP.

One folder has everything that the demo writes, its ``service.conf`` too, so that a reader can look at it and run
``lading serve --config`` with it.
"""

import asyncio
import json
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.web import Application, StaticFileHandler

from ...api.app import bind
from ...api.auth import DEFAULT_ABILITIES, issue_token
from ...config import load_all
from ...models import Status
from ...models.clock import SystemClock
from ...models.issuers import Issuer
from ...observe import logs
from ...runtime.serving import RunningService, running, wait_for_stop
from ...runtime.signals.handlers import Wishes, obeying
from ..access.tokens import page_link

ALBUM = "imported_album"
ISSUER_ID = "fa355b5e-d1e4-4155-adfa-0b00de50629d"
ORGANIZATION_ID = "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1"
SAMPLE = Path(__file__).with_name("sample.jpg")
IMPORT_TIMEOUT = 60.0
TOKEN_LIFETIME = timedelta(hours=4)

MARK = "# Written by 'lading demo'"
CONF = f"""\
{MARK},and overwritten by the next demo in this folder. Lading's own service.conf explains every option.

[service]
log_level = warning
port = {{port}}

[issuer.{{issuer_id}}]
organization_id = {{organization_id}}
secret = {{secret}}

[documents.sqlite]
path = {{directory}}/lading.sqlite3

[storage.local]
path = {{directory}}/images

[uploads]
directory = {{directory}}/uploads

[fetch.http]
# The origin of a demo listens on loopback, from which a service must not fetch otherwise, and on any free port.
allow_networks = 127.0.0.0/8
ports = 80, 443, 1024-65535
"""


class DemoFailed(Exception):
    """The demo failed; the message is for its reader."""


@dataclass(frozen=True, slots=True)
class _Client:
    """Sends the demo's requests."""

    base: str
    token: str

    async def post(self, form: str) -> dict[str, Any]:
        return await self._fetch("/api/v1/imports", method="POST", body=form)

    async def get(self, import_id: str) -> dict[str, Any]:
        return await self._fetch(f"/api/v1/imports/{import_id}")

    async def _fetch(self, path: str, **options: Any) -> dict[str, Any]:
        headers = {"Authorization": f'Token token="{self.token}"'}
        request = HTTPRequest(self.base + path, headers=headers, **options)
        response = await AsyncHTTPClient().fetch(request, raise_error=False)
        if response.code != 200:  # noqa: PLR2004
            raise DemoFailed(f"{path} answered {response.code}: {response.body.decode(errors='replace')}")
        document: dict[str, Any] = json.loads(response.body)
        return document


async def run_demo(directory: Path, port: int, *, once: bool) -> None:
    """Run the demo until SIGINT or SIGTERM, or with ``once`` until the sample was imported.

    Args:
        directory: folder for all files of the demo; created.
        port: port of the service; if it is taken, the demo uses a free port.
        once: whether to end after the import.

    Raises:
        DemoFailed: the import did not succeed, or with ``once`` was stopped before its end; or the folder has another
            ``service.conf``.
        OSError: the folder cannot be written.
        SettingsError, StoreError, WorkerDied: see ``lading.service.runtime.serving.serve``.
    """
    logs.configure("warning", "console")
    wishes = Wishes()
    stop = wishes.stop
    async with AsyncExitStack() as stack:
        stack.enter_context(obeying(wishes, reloads=False))
        origin = _start_origin(stack)
        conf = _write_conf(directory, _free_port(port))
        settings, components = load_all(conf, {})
        service = await stack.enter_async_context(running(settings, components, SystemClock()))
        token = _signed(settings.issuers[ISSUER_ID])
        client = _Client(service.url, token)
        link = page_link(service.url, _signed(settings.issuers[ISSUER_ID], admin=True), "find")
        if not once:
            click.secho("Open the page in a browser:", bold=True)
            click.echo(f"\n{link}")
        if await _import_sample(client, service, f"http://127.0.0.1:{origin}/{SAMPLE.name}", directory, stop):
            if not once:
                _explain(service.url, token, link, conf)
                await wait_for_stop(stop, service.worker_task, service.parts.opening.task)
                click.echo("\nStopping.")
        elif once:
            raise DemoFailed("the demo was stopped before the import of the sample image ended")


async def _import_sample(
    client: _Client, service: RunningService, url: str, directory: Path, stop: asyncio.Event
) -> bool:
    """Import the sample and show it; False if ``stop`` was set before the end."""
    form = (
        f"album_id={ALBUM}&filename=image123_asdasd.JpG&metadata[attachmentId]=00P24000003vSXsEAM"
        f"&url={quote(url, safe='')}"
    )
    click.secho(f"\n1. A client posts a URL to {service.url}/api/v1/imports", bold=True)
    click.echo(f"\n{form}\n")
    document = await client.post(form)
    click.secho("2. The client gets the import document back at once", bold=True)
    _show(document)
    try:
        async with asyncio.timeout(IMPORT_TIMEOUT):
            while not Status(document.get("status", "queued")).is_final:
                if stop.is_set():
                    return False
                await asyncio.sleep(0.05)
                document = await client.get(document["id"])
    except TimeoutError:
        raise DemoFailed(f"the import has not finished after {IMPORT_TIMEOUT:.0f} s: {document}") from None
    click.secho(f"3. GET {service.url}/api/v1/imports/{document['id']} shows the result", bold=True)
    _show(document)
    stored = await service.parts.store.get(document["id"])
    if stored is None or stored.image is None:
        raise DemoFailed(f"the import ended as {document['status']}: {document['error']}")
    path = directory / "images" / stored.image.key
    if path.read_bytes() != SAMPLE.read_bytes():
        raise DemoFailed(f"the image at {path} is not the origin's")
    click.secho(f"4. The image is stored at {path}", bold=True)
    click.echo(f"\n{stored.image.byte_size} bytes, identical to the origin's.\n")
    return True


def _signed(issuer: Issuer, *, admin: bool = False) -> str:
    return issue_token(
        issuer,
        abilities={ALBUM: DEFAULT_ABILITIES},
        now=SystemClock().now(),
        expires=TOKEN_LIFETIME,
        admin=admin,
    )


def _explain(base: str, token: str, link: str, conf: Path) -> None:
    hours = int(TOKEN_LIFETIME.total_seconds() // 3600)
    curl = "curl -sS --fail-with-body"
    click.secho("Now look at it, and add your own images, on the page:", bold=True)
    click.echo(f"\n{link}\n")
    click.secho(f"Or import your own image by the API. This token is valid for {hours} hours:", bold=True)
    click.echo(
        f"\nTOKEN={token}\n"
        f'{curl} {base}/api/v1/imports -H "Authorization: Bearer $TOKEN" \\\n'
        f"  -d album_id={ALBUM} --data-urlencode 'url=https://YOUR-HOST/YOUR-IMAGE.jpg'\n"
        f"\nThe answer has the id of the import. Read the import document, list the album, and download the image by"
        f" its image_id:\n"
        f'\n{curl} {base}/api/v1/imports/ID -H "Authorization: Bearer $TOKEN"\n'
        f'{curl} "{base}/api/v1/imports?album_id={ALBUM}" -H "Authorization: Bearer $TOKEN"\n'
        f'{curl} {base}/api/v1/images/IMAGE_ID/content -H "Authorization: Bearer $TOKEN" -o photo.jpg\n'
        f"\nOr send files, folders and links by the command:\n"
        f'\nLADING_URL={base} LADING_TOKEN="$TOKEN" {_program()} import --album {ALBUM} YOUR-FOLDER\n'
        f"\nThe service's configuration is {conf}. Ctrl-C ends the demo.",
    )


def _program() -> str:
    """The program as the reader started it: in a virtual environment ``lading`` alone may not be found."""
    started = Path(sys.argv[0])
    if started.name != "lading":
        return f"{shlex.quote(sys.executable)} -m lading"
    return "lading" if shutil.which("lading") == str(started) else shlex.quote(str(started))


def _show(document: Mapping[str, Any]) -> None:
    click.echo("\n" + json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _start_origin(stack: AsyncExitStack) -> int:
    """Serve the sample image on a free port of loopback; the port."""
    server = HTTPServer(
        Application([(r"/(.*)", StaticFileHandler, {"path": str(SAMPLE.parent)})], log_function=lambda _: None)
    )
    sockets = bind("127.0.0.1", 0)
    server.add_sockets(sockets)
    stack.push_async_callback(server.close_all_connections)
    stack.callback(server.stop)
    port: int = sockets[0].getsockname()[1]
    return port


def _free_port(wanted: int) -> int:
    try:
        for listening in bind("127.0.0.1", wanted):
            listening.close()
    except OSError as error:
        click.echo(f"Port {wanted} is not available ({error.strerror}); the demo picks a free port.")
        return 0
    return wanted


def _write_conf(directory: Path, port: int) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    conf = directory / "service.conf"
    if conf.exists() and not conf.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise DemoFailed(f"the demo did not write {conf} and would overwrite it; choose another --directory")
    conf.touch(mode=0o600)
    conf.write_text(
        CONF.format(
            port=port,
            directory=directory.absolute(),
            issuer_id=ISSUER_ID,
            organization_id=ORGANIZATION_ID,
            secret=secrets.token_urlsafe(48),
        ),
        encoding="utf-8",
    )
    return conf
