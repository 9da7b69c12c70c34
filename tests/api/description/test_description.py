"""``/openapi.json`` and ``/docs``: the description, the routes, the errors and README say the same."""

import json
import re
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from lading.service.api.app import ROUTES
from lading.service.api.handlers.docs import FILES
from lading.service.api.http.methods import methods_of
from lading.service.api.openapi.document import error_texts
from lading.service.api.openapi.operations import OPERATIONS
from tests.support.servers.service import Client

ROOT = Path(__file__).parents[3]
NOT_DESCRIBED = {"HEAD"}
"""Methods that answer as GET does, without a body; where HEAD is all there is, it is described."""


def implemented() -> set[tuple[str, str]]:
    missing = RequestHandler._unimplemented_method
    return {
        (method.lower(), route.path)
        for route in ROUTES
        for method in methods_of(route.handler)
        if not (method == "HEAD" and route.handler.get is not missing)
    }


def test_what_is_routed_is_described_and_nothing_else() -> None:
    assert {(one.method, one.path) for one in OPERATIONS} == implemented()
    assert len({one.id for one in OPERATIONS}) == len(OPERATIONS)


METHOD = "(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)"
PATH = r"/(?:api/v1/[\w{}./-]*[\w}]|healthz|readyz|openapi\.json|docs(?:/\{\})?|page(?:/\{\})+|(?=`))(?![\w/{])"
NAMED = re.compile(rf"({METHOD}(?:`?(?:,| or| and) `?{METHOD})*) +({PATH})")
IDS = re.compile(r"\{\w+\}|(?<=/)(?:IMAGE_)?ID\b|(?<=/)[0-9a-f]{8}-[0-9a-f…-]+")


def texts() -> str:
    """README and what lies in docs, an id as ``{}`` wherever one is meant."""
    files = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    return IDS.sub("{}", "\n".join(file.read_text(encoding="utf-8") for file in files))


def test_every_operation_is_named_in_readme_or_the_docs_and_no_other() -> None:
    operations = {(one.method.upper(), IDS.sub("{}", one.path)) for one in OPERATIONS}
    named = {(method, path) for some, path in NAMED.findall(texts()) for method in re.findall(METHOD, some)}
    assert operations - named == set()
    heads = {("HEAD", path) for method, path in operations if method == "GET"}
    assert named - operations - heads == set()


def test_every_path_in_readme_and_the_docs_exists() -> None:
    paths = {IDS.sub("{}", one.path) for one in OPERATIONS}
    mentioned = set(re.findall(rf"(?<![\w.)\]-]){PATH}|(?<=:8080){PATH}", texts()))
    assert {"/api/v1/imports/{}", "/healthz"} <= mentioned
    assert mentioned - paths == set()


def test_every_error_is_in_the_docs() -> None:
    documented = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    codes = {code for operation in OPERATIONS for code in operation.errors}
    assert codes <= error_texts().keys()
    assert [code for code in sorted(codes) if f"| `{code}` |" not in documented] == []


@pytest.mark.gen_test
async def test_the_description_is_openapi(client: Client) -> None:
    response = await client.fetch("/openapi.json")
    assert response.headers["Content-Type"].startswith("application/json")
    document = json.loads(response.body)
    assert document["openapi"] == "3.1.1"
    names = set(re.findall(r'"#/components/schemas/(\w+)"', response.body.decode()))
    assert names <= document["components"]["schemas"].keys()
    post = document["paths"]["/api/v1/imports"]["post"]
    parameters = document["components"]["schemas"]["ImportParameters"]["properties"]
    assert {"url", "album_id", "filename", "metadata", "expect", "dedupe"} <= parameters.keys()
    assert parameters["filename"]["maxLength"] == 255
    problem = post["responses"]["422"]["content"]["application/problem+json"]
    assert problem["examples"]["parameter_invalid"]["value"]["status"] == 422


@pytest.mark.gen_test
async def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = await client.fetch("/docs")
    assert page.code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert all(one.startswith("/docs/") for one in loaded)
    for path in loaded:
        response = await client.fetch(path)
        assert (response.code, len(response.body) > 10) == (200, True), path
    for name, (_, media_type) in FILES.items():
        response = await client.fetch(f"/docs/{name}")
        assert response.headers["Content-Type"].startswith(media_type)
    for other in ("favicon.png", "..%2Fcore.py", "%2Fetc%2Fpasswd"):
        assert (await client.fetch(f"/docs/{other}")).code == 404


@pytest.mark.gen_test
async def test_without_its_package_the_page_says_what_to_install(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lading.service.api.handlers.docs._folder", lambda: None)
    response = await client.fetch("/docs")
    problem = json.loads(response.body)
    assert (response.code, problem["code"]) == (404, "docs_not_installed")
    assert "pip install" in problem["detail"]
    assert (await client.fetch("/docs/swagger-ui.css")).code == 404
