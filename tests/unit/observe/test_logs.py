"""Log lines: their two forms, what cannot forge one, and what never stands in one."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer, redirect, reset
from lading.service.models import Import
from lading.service.observe import logs
from tests.support.servers.service import SECRET, Client, final, running_service, token

LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ``str.splitlines`` splits at, and viewers of logs with it."""
FORGED = f"value\n2026-01-01 [error] forged\x1b[2K\x1b[1A\x07{LINE_BREAKS}end\x00\x7f\u202e"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines of a test go; afterwards logging is as it was."""
    root, general = logging.getLogger(), logging.getLogger("tornado.general")
    before = (list(root.handlers), root.level, general.level)
    yield io.StringIO()
    root.handlers[:], level, general_level = before
    general.filters.clear()
    root.setLevel(level)
    general.setLevel(general_level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# --- json -------------------------------------------------------------------------------------------------------------


def test_a_request_that_is_no_http_is_logged_without_its_content(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    general = logging.getLogger("tornado.general")
    general.info("Malformed HTTP message from %s: %s", "192.0.2.7", "Invalid header value 's3cr3t'")
    general.info("Timeout reading body from %s", "192.0.2.7")
    general.error("Uncaught exception")
    assert [line["event"] for line in lines(stream)] == ["malformed request from 192.0.2.7", "Uncaught exception"]
    assert "s3cr3t" not in stream.getvalue()


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    structlog.get_logger("lading.service.work.worker").info(
        "import", import_id="a", attempts=2, nothing=None, ratio=0.5
    )
    (line,) = lines(stream)
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() is not None
    assert line == {
        "event": "import",
        "level": "info",
        "logger": "lading.service.work.worker",
        "import_id": "a",
        "attempts": 2,
        "ratio": 0.5,
    }


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_is_below_the_level_is_not_shown(stream: io.StringIO, level: str) -> None:
    logs.configure(level, "json", stream)
    levels = ["debug", "info", "warning", "error"]
    for name in levels:
        getattr(structlog.get_logger("a"), name)("structlog")
        getattr(logging.getLogger("b"), name)("library")
    shown = [(line["event"], line["level"]) for line in lines(stream)]
    assert shown == [(event, name) for name in levels[levels.index(level) :] for event in ("structlog", "library")]


def test_what_libraries_log_goes_the_same_way(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    logging.getLogger("some.library").warning("%s of %d", "one", 2)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("one of 2", "warning", "some.library")


@pytest.mark.parametrize("library", ["botocore.auth", "google.auth.transport.requests", "urllib3.connectionpool"])
def test_requests_that_libraries_have_signed_are_not_logged(stream: io.StringIO, library: str) -> None:
    logs.configure("debug", "json", stream)
    logging.getLogger(library).debug("x-amz-security-token:%s", SECRET)
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize(
    "library",
    [
        "azure.core.pipeline.policies.http_logging_policy",
        "azure.identity",
        "botocore.credentials",
        "google.cloud.storage",
        "httpx",
        "msal.application",
        "urllib3.connectionpool",
    ],
)
def test_requests_that_libraries_make_are_not_logged_at_level_info(
    stream: io.StringIO, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Google's libraries cut their logger off unless it has a level by then, as it has in a service. A test of theirs
    # may have come first in this process.
    monkeypatch.setattr(logging.getLogger(library.partition(".")[0]), "propagate", True)
    logs.configure("info", "json", stream)
    logging.getLogger(library).info("Request URL: %s", "https://storage.example/images?sig=s3cr3t")
    logging.getLogger(library).warning("retrying")
    assert [line["event"] for line in lines(stream)] == ["retrying"]


def test_configuring_twice_writes_every_line_once(stream: io.StringIO) -> None:
    logs.configure("info", "json", io.StringIO())
    logs.configure("info", "json", stream)
    structlog.get_logger("a").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("source", ["value", "event", "library", "exception"])
def test_nothing_can_forge_a_json_line(stream: io.StringIO, source: str) -> None:
    logs.configure("info", "json", stream)
    say(source)
    assert len(stream.getvalue().splitlines()) == 1
    assert stream.getvalue().isascii()
    assert FORGED in texts(lines(stream)[0])


def texts(value: Any) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def say(source: str) -> None:
    log = structlog.get_logger("a")
    if source == "value":
        log.info("event", host=FORGED)
    elif source == "event":
        log.info(FORGED)
    elif source == "library":
        logging.getLogger("b").warning(FORGED)
    else:
        try:
            fail_saying(FORGED)
        except ValueError:
            log.exception("event")


def fail_saying(text: str) -> None:
    raise ValueError(text)


def fail_after(text: str) -> None:
    try:
        fail_saying(text)
    except ValueError as error:
        raise KeyError("outer") from error


def fail_with(secret: str) -> None:
    """Raise, with a secret in a local variable of every frame."""
    hidden = {"Authorization": secret}
    if len(hidden) > 0:
        raise LookupError("a defect")


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("logger", ["structlog", "library"])
def test_a_traceback_shows_where_but_no_variables(stream: io.StringIO, log_format: Any, logger: str) -> None:
    logs.configure("info", log_format, stream)
    try:
        fail_with("hu" + "sh")
    except LookupError:
        if logger == "structlog":
            structlog.get_logger("a").exception("unexpected")
        else:
            logging.getLogger("a").exception("unexpected")
    text = stream.getvalue()
    assert "LookupError" in text
    assert "a defect" in text
    assert "fail_with" in text
    assert "hush" not in text


def test_a_traceback_s_causes_are_shown(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    try:
        fail_after("inner")
    except KeyError:
        structlog.get_logger("a").exception("unexpected")
    (line,) = lines(stream)
    assert [part["exc_type"] for part in line["exception"]] == ["KeyError", "ValueError"]
    assert line["exception"][0]["frames"]


# --- console ----------------------------------------------------------------------------------------------------------


def test_a_line_for_people(stream: io.StringIO) -> None:
    logs.configure("info", "console", stream)
    structlog.get_logger("lading.service.work.worker").info("import", import_id="a", attempts=2, nothing=None)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert all(part in text for part in ("import", "info", "lading.service.work.worker", "import_id", "attempts", "2"))
    assert "nothing" not in text
    assert "\x1b" not in text, "no colours where there is no terminal"


@pytest.mark.parametrize("source", ["value", "event", "library"])
@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_nothing_can_forge_a_line_for_people(stream: io.StringIO, source: str, kind: type[io.StringIO]) -> None:
    """Nor move the cursor of a terminal."""
    stream = kind()
    logs.configure("info", "console", stream)
    say(source)
    assert len(stream.getvalue().splitlines()) == 1
    plain = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())
    assert all(character.isprintable() for character in plain.removesuffix("\n"))
    assert "forged" in plain


def test_an_exception_s_text_can_forge_no_line_for_people(stream: io.StringIO) -> None:
    logs.configure("info", "console", stream)
    say("exception")
    assert not any(line.startswith("2026-01-01 [error]") for line in stream.getvalue().splitlines())
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


@pytest.mark.parametrize(("kind", "json_expected"), [(io.StringIO, True), (Terminal, False)])
def test_auto_is_console_on_a_terminal_only(stream: io.StringIO, kind: type[io.StringIO], json_expected: bool) -> None:
    stream = kind()
    logs.configure("info", "auto", stream)
    structlog.get_logger("a").info("event")
    assert stream.getvalue().startswith("{") == json_expected
    assert ("\x1b[" in stream.getvalue()) != json_expected


# --- the whole pipeline -----------------------------------------------------------------------------------------------

QUERY, HEADER, REDIRECT = "hush-query", "hush-header", "hush-redirect"


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_stands_in_any_line_of_an_import(
    stream: io.StringIO, tmp_path: Path, log_format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("debug", log_format, stream)
    good = token()
    overrides = {
        "LADING_WORKER__ATTEMPTS": "2",
        "LADING_WORKER__RETRY_BASE": "0.1",
        "LADING_WORKER__RETRY_MAX": "0.1",
        "LADING_WORKER__POLL_INTERVAL": "0.05",
    }
    routes = {
        "/good": answer(images.jpeg()),
        "/missing": answer(b"", 404),
        "/broken": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        "/nonsense": answer(b"", 299, {"Content-Length": "-1"}),
        "/moved": redirect(f"/good?signature={REDIRECT}"),
        "/away": redirect(f"http://10.0.0.1/?signature={REDIRECT}"),
        "/text": answer(b"no image"),
    }
    async with Origin(routes) as origin, running_service(tmp_path, None, **overrides) as service:
        client = Client(service.url, good)
        headers = {"Authorization": f"Bearer {HEADER}"}
        bodies = [{"url": f"{origin.url(path)}?signature={QUERY}", "headers": headers} for path in routes]
        bodies.append({"url": f"http://127.0.0.1:1/?signature={QUERY}", "headers": headers})
        bodies.append({"url": f"http://no-such-host.invalid/?signature={QUERY}", "headers": headers})
        documents = []
        for body in bodies:
            response = await client.post_json({"album_id": "imported_album", **body})
            assert response.code == 200, response.body
            documents.append(json.loads(response.body))
        outcomes = [await final(client, document["id"]) for document in documents]
        assert {outcome["status"] for outcome in outcomes} == {"done", "failed"}
        await client.post_json(
            {"album_id": "imported_album", "url": f"gopher://x/?signature={QUERY}", "headers": headers}
        )
        await client.post_json({"album_id": "imported_album", "url": f"http://u:{QUERY}@x/", "headers": headers})
        await Client(service.url, f"{good}x").post_json({})
        await client.fetch(f"/api/v1/imports?url=http://x/?signature={QUERY}")
        # A defect of our own, in a request and in an attempt.
        store: Any = service.parts.store
        importer: Any = service.parts.importer

        async def broken_add(document: Import) -> None:
            params = dict(document.params)
            raise LookupError(f"{len(params)} parameters")

        with monkeypatch.context() as patch:
            patch.setattr(store, "add", broken_add)
            response = await client.post_json({"album_id": "imported_album", **bodies[0]})
            assert response.code == 500

        async def broken_run(document: Import) -> None:
            url, sent = str(document.url), dict(document.headers)
            raise LookupError(f"{len(url)} characters, {len(sent)} headers")

        monkeypatch.setattr(importer, "run", broken_run)
        response = await client.post_json({"album_id": "imported_album", **bodies[0]})
        outcome = await final(client, json.loads(response.body)["id"])
        assert outcome["error"]["code"] == "internal_error"
    text = stream.getvalue()
    assert text.count("an attempt failed unexpectedly") == 2
    assert "a request failed unexpectedly" in text
    for document in documents:
        assert document["id"] in text
    for secret in (QUERY, HEADER, REDIRECT, SECRET, good, good.rpartition(".")[2], "signature="):
        assert secret not in text, [line for line in text.splitlines() if secret in line][:3]
    if log_format == "json":
        shown = lines(stream)
        for document in documents:
            attempts = [line for line in shown if line["event"] == "import" and line["import_id"] == document["id"]]
            assert attempts[-1]["status"] in ("done", "failed")
            assert all(line["attempts"] == number for number, line in enumerate(attempts, 1))
            requests = [line for line in shown if line["event"] == "request" and line["method"] == "POST"]
            assert sum(line.get("import_id") == document["id"] for line in requests) == 1


@pytest.mark.gen_test(timeout=30)
async def test_the_lines_of_a_request_and_of_its_import_have_both_ids(tmp_path: Path, stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    async with Origin({"/a.jpg": answer(images.jpeg())}) as origin, running_service(tmp_path) as service:
        client = Client(service.url, token())
        response = await client.fetch(
            f"/api/v1/imports?album_id=imported_album&url={origin.url('/a.jpg')}",
            method="POST",
            body="",
            headers={"X-Request-Id": "request-of-a-client"},
        )
        import_id = json.loads(response.body)["id"]
        await final(client, import_id)
    found = {line["event"]: line for line in lines(stream) if line.get("request_id") == "request-of-a-client"}
    assert found.keys() == {"request", "import"}
    assert {line["import_id"] for line in found.values()} == {import_id}
