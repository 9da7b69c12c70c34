"""A service on its real parts, inside the test's own process."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from lading.service.api.auth import issue_token
from lading.service.config import load_all
from lading.service.models import Status
from lading.service.models.clock import Clock, SystemClock
from lading.service.models.issuers import Issuer
from lading.service.runtime.serving import RunningService, running

ISSUER = "fa355b5e-d1e4-4155-adfa-0b00de50629d"
ORGANIZATION = "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1"
SECRET = "a secret for tests, of at least 32 bytes"
OTHER_ISSUER = "other-issuer"
OTHER_ORGANIZATION = "other-organization"

CONF = f"""
[service]
port = 0

[issuer.{ISSUER}]
organization_id = {ORGANIZATION}
secret = {SECRET}

[issuer.{OTHER_ISSUER}]
organization_id = {OTHER_ORGANIZATION}
secret = {SECRET}{SECRET}
require_exp = false

[issuer.disabled-issuer]
organization_id = {ORGANIZATION}
secret = {SECRET}
enabled = false
"""


def environment(directory: Path, **overrides: str) -> dict[str, str]:
    """Overrides that keep everything below ``directory`` and let the service fetch from loopback."""
    local = {"LADING_STORAGE_LOCAL__PATH": str(directory / "images")}
    return {
        "LADING_DOCUMENTS_SQLITE__PATH": str(directory / "lading.sqlite3"),
        **(local if overrides.get("LADING_STORAGE__BACKEND", "local") == "local" else {}),
        "LADING_THUMBNAILS__DIRECTORY": str(directory / "thumbnails"),
        "LADING_FETCH_HTTP__ALLOW_NETWORKS": "127.0.0.0/8",
        "LADING_FETCH_HTTP__PORTS": "1-65535",
        **overrides,
    }


@dataclass(frozen=True)
class Client:
    """A REST client of a service, with its token."""

    base: str
    token: str

    async def fetch(self, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> HTTPResponse:
        request = HTTPRequest(
            self.base + path,
            headers={"Authorization": f'Token token="{self.token}"', **(headers or {})},
            allow_nonstandard_methods=True,
            **options,
        )
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    async def post(self, body: bytes | str, content_type: str = "application/x-www-form-urlencoded") -> HTTPResponse:
        return await self.fetch("/api/v1/imports", method="POST", body=body, headers={"Content-Type": content_type})

    async def post_json(self, params: Any) -> HTTPResponse:
        return await self.post(json.dumps(params), "application/json")

    async def document(self, import_id: str) -> dict[str, Any]:
        response = await self.fetch(f"/api/v1/imports/{import_id}")
        assert response.code == 200, response.body
        document: dict[str, Any] = json.loads(response.body)
        return document


def token(
    clock: Clock | None = None,
    *,
    issuer: str = ISSUER,
    album: str = "imported_album",
    abilities: tuple[str, ...] = ("image_upload",),
    admin: bool = False,
    expires: timedelta | None = timedelta(hours=4),
) -> str:
    """A token of one of the issuers of ``CONF``."""
    secret = SECRET + SECRET if issuer == OTHER_ISSUER else SECRET
    key = Issuer(issuer, "unused", secret)
    now = (clock or SystemClock()).now()
    return issue_token(key, abilities={album: abilities}, now=now, expires=expires, admin=admin)


@asynccontextmanager
async def running_service(
    directory: Path, clock: Clock | None = None, **overrides: str
) -> AsyncIterator[RunningService]:
    """A listening service on a free port, with its embedded worker, on everything that is real."""
    conf = directory / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    settings, components = load_all(conf, environment(directory, **overrides))
    async with running(settings, components, clock or SystemClock()) as service:
        yield service


async def final(client: Client, import_id: str) -> dict[str, Any]:
    """The import's document once it is final; the test's own timeout bounds the wait."""
    while True:
        document = await client.document(import_id)
        if Status(document["status"]).is_final:
            return document
        await asyncio.sleep(0.02)
