"""The description itself: valid OpenAPI 3.1, examples that meet their schemas, and header fields as they are sent."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tornado.httpclient import HTTPResponse

from lading.service.api.app import ROUTES
from lading.service.api.http.headers import FIXED as SENT
from lading.service.api.http.methods import methods_of
from lading.service.api.openapi.document import describe
from lading.service.api.openapi.headers import FIXED
from lading.service.api.openapi.operations import OPERATIONS
from lading.service.errors.catalogue import ApiError
from lading.service.imports.validation import PARAMETERS, ParamRules, validate
from tests.support.servers.service import Client, token

# jsonschema builds grammars of RFC 3987 when it is imported, more than a second of each process of the tests.
if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

RULES = ParamRules(1000, 20, 20, frozenset({"url", "data"}), {"JPEG": frozenset({"image/jpeg"})})
DOCUMENT = json.loads(json.dumps(describe(RULES, 1000)))
FRAMING = {"Date", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding"}
"""What OpenAPI keeps for itself, or is the connection's."""


def validator(schema: Any) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every body: the operation, ``request`` or the status, the media type's entry."""
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            for entry in operation.get("requestBody", {"content": {}})["content"].values():
                yield operation["operationId"], "request", entry
            for status, answer in operation["responses"].items():
                for entry in answer.get("content", {}).values():
                    yield operation["operationId"], status, entry


def test_the_description_is_valid() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: PLC0415

    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_request_and_every_json_answer_has_examples_and_each_meets_its_schema() -> None:
    without, wrong = [], []
    for operation, part, entry in contents():
        name = entry["schema"].get("$ref", "")
        is_told = name or "anyOf" in entry["schema"] or part == "request"
        if is_told and not entry.get("examples"):
            without.append((operation, part))
        for title, example in entry.get("examples", {}).items():
            wrong += [
                (operation, part, title, error.message)
                for error in validator(entry["schema"]).iter_errors(example["value"])
            ]
    assert (without, wrong) == ([], [])


def test_the_fixed_header_fields_are_described() -> None:
    assert set(FIXED) == {name for name, _ in SENT}


# --- what judges and what is described are one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "is_good"),
    [
        ({}, True),
        (dict.fromkeys(PARAMETERS), True),
        ({"import_type": "url"}, True),
        ({"import_type": ""}, True),
        ({"import_type": "ftp"}, False),
        ({"import_type": 1}, False),
        ({"album_id": "a" * 20}, True),
        ({"album_id": "a" * 21}, False),
        ({"filename": "a" * 21}, False),
        ({"url": ["a"] * 8}, True),
        ({"url": ["a"] * 9}, False),
        ({"url": []}, False),
        ({"url": ""}, False),
        ({"url": " "}, False),
        ({"url": [" "]}, False),
        ({"metadata": "x"}, False),
        ({"headers": {"a": 1}}, False),
        ({"webhook": {}}, False),
        ({"webhook": {"url": ""}}, False),
        ({"dedupe": "off"}, True),
        ({"dedupe": "all"}, False),
        ({"expect": {"format": "JPEG"}}, True),
        ({"expect": {"format": "PNG"}}, False),
        ({"expect": {"content_type": "image/png"}}, False),
        ({"expect": {"min_width": 3, "max_width": "5"}}, True),
        ({"expect": {"min_width": -3}}, False),
        ({"expect": {"colour": "red"}}, False),
    ],
)
def test_the_schema_of_an_import_says_what_its_validation_does(params: dict[str, Any], is_good: bool) -> None:
    def passes() -> bool:
        try:
            validate(params, RULES)
        except ApiError:
            return False
        return True

    schema = DOCUMENT["components"]["schemas"]["ImportParameters"]
    assert (passes(), validator(schema).is_valid(params)) == (is_good, is_good)


def test_another_rule_is_another_schema() -> None:
    rules = ParamRules(1000, 80, 60, frozenset({"sftp"}))
    properties = describe(rules, 1000)["components"]["schemas"]["ImportParameters"]["properties"]
    assert properties["import_type"]["enum"] == ["sftp", "", None]
    assert (properties["filename"]["maxLength"], properties["album_id"]["maxLength"]) == (80, 60)


# --- as it is sent --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_it_is_made_once_and_not_sent_again_to_who_has_it(client: Client) -> None:
    first = await client.fetch("/openapi.json")
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag)
    assert first.headers["Cache-Control"] == "no-cache"
    for known in (etag, f'"other", W/{etag}', "*"):
        again = await client.fetch("/openapi.json", headers={"If-None-Match": known})
        assert (again.code, again.body, again.headers["ETag"]) == (304, b"", etag)
    other = await client.fetch("/openapi.json", headers={"If-None-Match": '"other"'})
    assert (other.code, other.body) == (200, first.body)


def undeclared(method: str, path: str, response: HTTPResponse) -> list[str]:
    answers = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(response.code) in answers, (method, path, response.code, response.body[:200])
    answer = answers[str(response.code)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    declared = {name.lower() for name in answer["headers"]}
    return [name for name in response.headers if name not in FRAMING and name.lower() not in declared]


@pytest.mark.gen_test
async def test_what_is_sent_is_declared(client: Client) -> None:
    """Every operation, for something that there is not, without a token, and those that make something for real."""
    found = []
    admin = Client(client.base, token(admin=True))
    nobody = Client(client.base, "no token")
    for operation in OPERATIONS:
        if "text/event-stream" in operation.answers.get(200, {}):
            continue
        path = re.sub(r"\{\w+\}", "none", operation.path)
        for one in (admin, nobody):
            body = b"" if operation.method in ("post", "put", "patch") else None
            headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}
            response = await one.fetch(path, method=operation.method.upper(), body=body, headers=headers)
            found += [(operation.id, name) for name in undeclared(operation.method, operation.path, response)]
    json_type = {"Content-Type": "application/json"}
    calls: list[tuple[str, str, str, dict[str, str], str]] = [
        ("post", "/api/v1/imports", "", {**json_type, "Idempotency-Key": "k"}, '{"url": "http://127.0.0.1/x"}'),
        ("post", "/api/v1/imports", "", {**json_type, "Idempotency-Key": "k"}, '{"url": "http://127.0.0.1/x"}'),
        ("get", "/api/v1/imports", "?limit=1", {}, ""),
        ("post", "/api/v1/uploads", "", {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}, ""),
        ("post", "/api/v1/uploads", "", {"Upload-Length": "5"}, ""),
        ("post", "/api/v1/webhooks", "", json_type, '{"url": "http://127.0.0.1/hook"}'),
        ("get", "/openapi.json", "", {}, ""),
        ("get", "/docs", "", {}, ""),
    ]
    seen = set()
    for method, path, query, headers, body_text in calls:
        body = None if method == "get" else body_text.encode()
        response = await admin.fetch(path + query, method=method.upper(), headers=headers, body=body)
        found += [(path, name) for name in undeclared(method, path, response)]
        seen |= {name.lower() for name in response.headers}
    made = (await admin.post_json({"url": "http://127.0.0.1/x"})).headers["Location"]
    await admin.fetch(f"{made}/cancel", method="POST", body=b"")
    response = await admin.fetch(made, headers={"Prefer": "wait=1"})
    found += [(made, name) for name in undeclared("get", "/api/v1/imports/{import_id}", response)]
    seen |= {name.lower() for name in response.headers}
    assert found == []
    wanted = {"location", "link", "etag", "idempotent-replayed", "upload-offset", "tus-version", "preference-applied"}
    assert wanted <= seen


@pytest.mark.gen_test
async def test_a_method_that_a_path_has_not_is_answered_as_described(client: Client) -> None:
    problem = validator(DOCUMENT["components"]["schemas"]["Problem"])
    for route in ROUTES:
        has = methods_of(route.handler)
        assert {name.upper() for name in DOCUMENT["paths"][route.path]} | {"HEAD"} >= set(has)
        missing = next(name for name in ("PUT", "DELETE", "PATCH", "POST") if name not in has)
        path = re.sub(r"\{\w+\}", "none", route.path)
        response = await client.fetch(path, method=missing, body=b"" if missing != "DELETE" else None)
        assert (response.code, response.headers["Allow"]) == (405, ", ".join(has))
        body = json.loads(response.body)
        assert (body["code"], list(problem.iter_errors(body))) == ("method_not_allowed", [])
        for operation in DOCUMENT["paths"][route.path].values():
            assert operation["responses"]["405"] == {"$ref": "#/components/responses/MethodNotAllowed"}
            described = DOCUMENT["components"]["responses"]["MethodNotAllowed"]["headers"]
            extra = {"tus-resumable"}
            assert {one.lower() for one in response.headers} - {one.lower() for one in FRAMING} - extra <= {
                one.lower() for one in described
            }
