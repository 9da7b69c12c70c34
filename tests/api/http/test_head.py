"""HEAD of everything that has a GET: the answer to GET without its body, on a connection that serves on."""

import asyncio
import json
import re

import pytest

from lading.service.api.app import ROUTES
from lading.service.api.http.methods import methods_of
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import noise, path_of, read_head, request_of, stored_in
from tests.support.servers.service import Client, token

VARYING = {"date", "x-runtime", "x-request-id"}
FRAMING = {"transfer-encoding", "connection"}
OPEN_ENDED = {"/api/v1/imports/{import_id}/events", "/api/v1/events"}
GETS = [route for route in ROUTES if "GET" in methods_of(route.handler)]

pytestmark = pytest.mark.one_store
FILES = {
    "/docs/{file}": "swagger-ui.css",
    "/page/{version}/{file}": "main.js",
    "/page/{version}/{folder}/{file}": "base.css",
}


@pytest.fixture
def admin(client: Client, clock: SettableClock) -> Client:
    return Client(client.base, token(clock, admin=True))


async def known(admin: Client, assembled: Assembled) -> dict[str, str]:
    """Something that exists for every variable of the paths."""
    image = await stored_in(assembled.parts, noise(5000))
    hook = "http://127.0.0.1:9/hook"
    endpoint = json.loads((await post(admin, "/api/v1/webhooks", {"url": hook}))[0])
    pinged = await post(admin, f"/api/v1/webhooks/{endpoint['id']}/test", {})
    batch = await post(admin, "/api/v1/imports/batch", [{"url": "http://127.0.0.1:9/a"}])
    return {
        "import_id": image.document.id,
        "image_id": path_of(image).rpartition("/")[2],
        "endpoint_id": endpoint["id"],
        "delivery_id": json.loads(pinged[0])["id"],
        "batch_id": batch[1],
        "version": "1",
        "folder": "style",
    }


async def post(admin: Client, path: str, body: object) -> tuple[bytes, str]:
    headers = {"Content-Type": "application/json"}
    response = await admin.fetch(path, method="POST", body=json.dumps(body), headers=headers)
    assert response.code < 300, response.body
    return response.body, response.headers.get("X-Batch-Id", "")


class Connection:
    """One connection, for one request after the other."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._port = port
        self._headers = {**headers, "Connection": "keep-alive"}

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def again(self) -> None:
        """The service has closed the connection, with nothing behind its answer."""
        assert await self._reader.read() == b""
        self.close()
        await self.open()

    async def head(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        self._writer.write(request_of(path, {**self._headers, **headers}, method))
        return await read_head(self._reader)

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str]]:
        status, headers = await self.head(method, path, **headers)
        if method == "HEAD":
            return status, headers
        if "content-length" in headers:
            await self._reader.readexactly(int(headers["content-length"]))
        elif "transfer-encoding" in headers:
            await self._reader.readuntil(b"0\r\n\r\n")
        return status, headers

    def close(self) -> None:
        self._writer.close()


async def connected(port: int, headers: dict[str, str]) -> Connection:
    connection = Connection(port, headers)
    await connection.open()
    return connection


def lasting(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in VARYING | FRAMING}


@pytest.mark.gen_test(timeout=60)
async def test_every_get_has_a_head_with_the_same_fields(admin: Client, assembled: Assembled, http_port: int) -> None:
    names = await known(admin, assembled)
    connection = await connected(http_port, {"Authorization": f"Bearer {admin.token}", "Accept": "text/html, */*"})
    statuses = set()
    for route in GETS:
        assert "HEAD" in methods_of(route.handler)
        named = {**names, "file": FILES.get(route.path, "")}
        for values in (named, dict.fromkeys(named, "none")):
            path = route.path.format(**values)
            if route.path in OPEN_ENDED and (values is named or path == route.path):
                continue
            status, headers = await connection.head("HEAD", path)
            expected, fields = await connection.get(path)
            assert (path, status) == (path, expected)
            if "content-length" not in headers:  # known only when the body is made, RFC 9110 section 9.3.2
                assert path.endswith("/failures")
                fields.pop("content-length", None)
            assert lasting(headers) == lasting(fields), path
            statuses.add(status)
    assert statuses - {422} == {200, 404}, "the image is none, so it has no thumbnail"
    connection.close()


@pytest.mark.gen_test(timeout=60)
async def test_the_head_of_a_stream_tells_of_it_and_opens_none(
    admin: Client, assembled: Assembled, http_port: int
) -> None:
    names = await known(admin, assembled)
    document = await assembled.parts.store.get(names["import_id"])
    assert document is not None
    connection = await connected(http_port, {"Authorization": f"Bearer {admin.token}"})
    for path in OPEN_ENDED:
        status, headers = await connection.head("HEAD", path.replace("{import_id}", document.id))
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert headers["x-accel-buffering"] == "no"
        assert not {"content-length", "transfer-encoding"} & headers.keys()
    ended = f"/api/v1/imports/{document.id}/events"
    known_by_client = {"Last-Event-ID": str(document.revision)}
    assert (await connection.head("HEAD", ended, **known_by_client))[0] == 204
    assert (await connection.head("HEAD", "/api/v1/events?album=x"))[0] == 422
    assert (await connection.get("/healthz"))[0] == 200
    assert assembled.resources.events.streams.taken == 0
    connection.close()


@pytest.mark.gen_test
async def test_what_has_no_get_has_no_head(admin: Client, http_port: int) -> None:
    connection = await connected(http_port, {})
    for route in ROUTES:
        if "GET" in methods_of(route.handler) or route.path.startswith("/api/v1/uploads/"):
            continue
        path = re.sub(r"\{\w+\}", "none", route.path)
        status, headers = await connection.head("HEAD", path)
        assert (path, status, "HEAD" in headers["allow"]) == (path, 405, False)
    connection.close()


OVERRIDDEN = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.mark.parametrize("sent", OVERRIDDEN)
@pytest.mark.gen_test
async def test_another_method_in_the_head_leaves_the_connection_as_it_is(
    client: Client, http_port: int, sent: str
) -> None:
    """tus 1.0: ``X-HTTP-Method-Override`` is the method. The one on the wire says whether there is a body."""
    fields = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    connection = await connected(http_port, {"Authorization": f"Bearer {client.token}", **fields})
    for meant in (*OVERRIDDEN, "BREW", "patch"):
        for path, has in (
            ("/api/v1/uploads/none", {"OPTIONS": 204, "HEAD": 404, "PATCH": 404, "DELETE": 404}),
            ("/api/v1/uploads", {"OPTIONS": 204, "POST": 400}),
        ):
            status, answered = await connection.get(path, sent, **{"X-HTTP-Method-Override": meant})
            assert (path, meant, status) == (path, meant, has.get(meant, 405))
            if answered.get("connection") == "close":  # before the end of the request's body was seen
                await connection.again()
    assert (await connection.get("/healthz"))[0] == 200
    connection.close()
