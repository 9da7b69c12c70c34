"""The client has an operation for every request that the API answers, but for a few that say so."""

import re
from typing import Any, Final

from lading.client import LadingError
from lading.service.api.app import ROUTES
from lading.service.api.http.methods import methods_of
from tests.client.unit.playing import Answer, Played

LEFT_OUT: Final = {
    ("HEAD", ""): "GET has it",
    ("OPTIONS", "/api/v1/uploads"): "it describes what the client relies on",
    ("PUT", "/api/v1/imports/{}/content"): "uploads in pieces do the same",
}
CALLS: Final[tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...]] = (
    ("import_url", ("https://www.example.org/",), {}),
    ("import_file", (b"x",), {}),
    ("import_file", (b"x",), {"resume": "http://x/y"}),
    ("cancel_upload", ("x",), {}),
    ("import_many", (["https://www.example.org/"],), {}),
    *((name, ("x",), {}) for name in ("get_import", "retry_import", "cancel_import", "delete_import", "trace")),
    ("preflight", ("https://www.example.org/",), {}),
    ("iter_imports", (), {}),
    ("iter_albums", (), {}),
    ("events", (), {}),
    ("events", (), {"import_id": "x"}),
    *((name, ("x",), {}) for name in ("get_batch", "iter_batch_failures", "retry_batch")),
    *((name, ("x",), {}) for name in ("get_image", "read_image", "thumbnail", "delete_image")),
    ("create_webhook", ("https://www.example.org/",), {}),
    *((name, (), {}) for name in ("list_webhooks", "webhook_secret", "rotate_webhook_secret")),
    *((f"{name}_webhook", ("x",), {}) for name in ("get", "update", "delete", "rotate", "test")),
    *(("iter_deliveries", (), {name: "x"}) for name in ("webhook_id", "import_id")),
    *(("get_delivery", ("x",), {name: "x"}) for name in ("webhook_id", "import_id")),
    *(("replay_delivery", ("x",), {name: "x"}) for name in ("webhook_id", "import_id")),
)


def sent(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[str, str]:
    """Method and path of the first request of an operation, ids left out."""
    played = Played()
    try:
        played.play(getattr(played.operations, name)(*args, **options), [Answer(401), Answer(401)])
    except LadingError:
        request = played.requests[0]
        return request.method, re.sub(r"/[xy](?=/|$)", "/{}", request.path)
    raise AssertionError(f"{name} did not ask")


def test_every_request_of_the_api_has_an_operation() -> None:
    answered = {
        (method, re.sub(r"\{\w+\}", "{}", route.path))
        for route in ROUTES
        if route.path.startswith("/api/")
        for method in methods_of(route.handler)
        if method not in ("HEAD", "OPTIONS")
    }
    answered.add(("PATCH", "/api/v1/uploads/{}"))
    asked = {sent(*call) for call in CALLS} | {("PATCH", "/api/v1/uploads/{}")}
    assert asked - {("HEAD", "/api/v1/uploads/{}")} <= answered
    assert answered - asked == {call for call in LEFT_OUT if call[0] == "PUT"}
    assert len(asked) > 30
