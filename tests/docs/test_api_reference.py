"""The API's reference: every operation has its place, a command, and the answer to it. ``test_pages`` follows it."""

import re
from itertools import pairwise

import pytest

from lading.service.api.admin.app import ADMIN_ROUTES
from lading.service.api.http.methods import methods_of
from lading.service.api.openapi.operations import OPERATIONS
from lading.service.imports.validation import PARAMETERS
from tests.docs.pages.answers import Answer, answer_difference, recorded
from tests.docs.pages.blocks import blocks
from tests.docs.pages.comparing import Names
from tests.docs.test_pages import API, DOCS

OPERATION = re.compile(r"^`([A-Z]+ /[\w./{}-]*)`$", re.MULTILINE)
ID, REAL = "f60ae96b-2681-4885-8437-356e9fae9f6e", "00000000-0000-4000-8000-000000000001"
SHOWN = f'HTTP/1.1 200 OK\nLocation: /things/{ID}\n\n{{"id": "{ID}", "rest": "…"}}\n'
PRINTED = f'HTTP/1.1 200 OK\r\nDate: now\r\nLocation: /things/{REAL}\r\n\r\n{{"id":"{REAL}","rest":[1,2]}}'


def test_every_operation_is_there_once_and_no_other() -> None:
    shown = [found for page in API for found in OPERATION.findall(page.read_text(encoding="utf-8"))]
    assert sorted(shown) == sorted(f"{operation.method.upper()} {operation.path}" for operation in OPERATIONS)


def test_the_page_of_the_admin_listener_has_every_operation_with_a_command_and_no_other() -> None:
    parts = OPERATION.split((DOCS / "reference" / "admin.md").read_text(encoding="utf-8"))[1:]
    routes = {route.path.replace("([^/]+)", "{id}"): route.handler for route in ADMIN_ROUTES if "/admin/" in route.path}
    assert sorted(parts[::2]) == sorted(
        f"{method} {path}" for path, handler in routes.items() for method in methods_of(handler) if method != "HEAD"
    )
    for operation, text in zip(parts[::2], parts[1::2], strict=True):
        assert f":9090{operation.split()[1].replace('{id}', '$id')}" in text.partition("```sh")[2], operation


def test_every_parameter_of_an_import_is_described_and_no_other() -> None:
    page = next(page for page in API if page.name == "imports.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(`[^\n]*)\n:   ", page.partition("## Parameters")[2].partition("\n## ")[0], re.MULTILINE)
    described = {name for term in terms for name in re.findall(r"`(\w+)(?:\[\w+\])?`", term)}
    assert described == {*PARAMETERS, "file"}


def test_every_operation_has_a_command_and_its_answer() -> None:
    for page in API:
        parts = OPERATION.split(page.read_text(encoding="utf-8"))[1:]
        for operation, text in zip(parts[::2], parts[1::2], strict=True):
            method, path = operation.split()
            assert re.search(r"```sh\n[^`]*curl .*?```\n\n```http\nHTTP/1\.1 \d{3} ", text, re.DOTALL), operation
            assert method in {"GET", "POST", "PUT"} or f"-X {method}" in text or "curl -sS -I" in text, operation
            assert path.split("/")[-1].startswith("{") or path.split("/")[-1] in text, operation


def test_every_answer_follows_its_command() -> None:
    for page in API:
        for before, block in pairwise(blocks(page)):
            assert block.language != "http" or before.language == "sh", (page, block.line)


@pytest.mark.parametrize(
    "printed",
    [
        PRINTED.replace("200 OK", "201 Created"),
        PRINTED.replace("Location", "Elsewhere"),
        PRINTED.replace(f"/things/{REAL}", "/things/none"),
        PRINTED.replace('"id"', '"key"'),
        PRINTED.replace('"rest":[1,2]', '"rest":1,"more":2'),
    ],
)
def test_another_answer_is_noticed(printed: str) -> None:
    assert answer_difference(SHOWN, PRINTED, Names()) == ""
    assert answer_difference(SHOWN, printed, Names())


def test_an_interim_answer_is_passed_over() -> None:
    assert Answer.of(f"HTTP/1.1 100 Continue\r\n\r\n{PRINTED}").status == "HTTP/1.1 200 OK"


def test_a_recording_keeps_ids_and_what_the_page_leaves_out() -> None:
    names = Names()
    assert recorded(SHOWN, PRINTED, names) == SHOWN.replace(
        f'{{"id": "{ID}", "rest": "…"}}', f'{{\n  "id": "{ID}",\n  "rest": "…"\n}}'
    )
    assert names.applied(ID) == REAL
    failed = recorded(
        "HTTP/1.1 200 OK\n", 'HTTP/1.1 404 Not Found\r\n\r\n{"at":"2030-01-02T03:04:05.678+01:00"}', names
    )
    assert failed == 'HTTP/1.1 404 Not Found\n\n{"at": "2026-08-01T12:00:00.000+00:00"}\n'
