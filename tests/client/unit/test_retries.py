"""Which requests are sent again, when, and when no more."""

from typing import Any

import pytest

from lading.client import LadingError, NotFound, RateLimited, Retry, ServerNotReachable, Unavailable
from tests.client.unit.playing import CUT, IMPORT, REFUSED, Answer, Played, problem, shown

LATER = {"Retry-After": "7"}
AWAY = problem(503, "documents_unavailable", LATER)
BUSY = problem(503, "backlog_full", LATER)
LIMIT = problem(429, "rate_limited", LATER)
PROXY = Answer(502, b"<html>Bad Gateway</html>")
STOPPING = problem(409, "still_stopping", LATER)


def created(played: Played) -> Any:
    return played.operations.import_url("https://www.example.org/photo.jpg")


def retried(played: Played) -> Any:
    return played.operations.retry_import("x")


@pytest.mark.parametrize("failure", [CUT, REFUSED, AWAY, BUSY, LIMIT, PROXY, Answer(200, [b'{"id"', CUT])])
def test_a_post_with_a_key_is_sent_again_with_the_same_key(failure: Any) -> None:
    played = Played()
    played.play(created(played), [failure, failure, Answer(200, IMPORT)])
    assert played.result.id == IMPORT["id"]
    assert len({request.headers["Idempotency-Key"] for request in played.requests}) == 1
    assert len({request.body for request in played.requests}) == 1
    wanted = [7.0, 7.0] if failure in (AWAY, BUSY, LIMIT) else [0.25, 0.5]
    assert played.pauses == pytest.approx(wanted)


@pytest.mark.parametrize("failure", [REFUSED, BUSY, LIMIT, STOPPING])
def test_what_had_no_effect_is_sent_again(failure: Any) -> None:
    played = Played()
    assert played.play(retried(played), [failure, Answer(200, shown("queued"))]).result.status == "queued"


@pytest.mark.parametrize("failure", [CUT, AWAY, PROXY, problem(409, "not_retryable"), problem(500, "internal_error")])
def test_what_may_have_had_an_effect_is_not(failure: Any) -> None:
    played = Played()
    with pytest.raises(LadingError):
        played.play(retried(played), [failure])
    assert played.pauses == []


def test_tries_are_bounded_in_number_and_time() -> None:
    played = Played(Retry(attempts=3))
    with pytest.raises(ServerNotReachable):
        played.play(created(played), [CUT] * 3)
    assert len(played.pauses) == 2
    played = Played(Retry(attempts=100, seconds=30.0))
    with pytest.raises(RateLimited):
        played.play(created(played), [LIMIT] * 5)
    assert sum(played.pauses) <= 30
    played = Played()
    with pytest.raises(Unavailable) as error:
        played.play(created(played), [problem(503, "backlog_full", {"Retry-After": "61"})])
    assert error.value.retry_after == 61
    played = Played(Retry(attempts=9, longest_pause=1.0))
    played.play(created(played), [*[CUT] * 8, Answer(200, IMPORT)])
    assert played.pauses == [0.25, 0.5, *[1.0] * 6]


def test_pauses_are_left_to_chance_and_retry_after_is_a_minimum() -> None:
    played = Played()
    object.__setattr__(played.operations, "chance", lambda: 1.0)
    played.play(created(played), [CUT, LIMIT, Answer(200, IMPORT)])
    assert played.pauses == pytest.approx([0.125, 7.7])


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    played = Played()
    assert played.play(played.operations.delete_import("x"), [CUT, problem(404, "not_found")]).result is True
    with pytest.raises(NotFound):
        played.play(played.operations.delete_import("x"), [problem(404, "not_found")])
    with pytest.raises(NotFound):  # the first request was never sent
        played.play(played.operations.delete_import("x"), [REFUSED, problem(404, "not_found")])
    assert played.play(played.operations.delete_import("x"), [Answer(202, {"status": "deleting"})]).result is False


def test_waiting_lasts_as_long_as_it_may_and_is_gentle() -> None:
    played = Played()
    answers = [Answer(200, shown("queued"))] * 40
    with pytest.raises(LadingError) as error:
        played.play(played.operations.wait("x", timeout=60), answers)
    assert error.value.code == "timed_out"
    assert sum(played.pauses) == pytest.approx(60)
    assert max(played.pauses) == 2.0
    assert {request.headers.get("Prefer") for request in played.requests[:3]} == {"wait=20"}
    assert played.requests[-1].headers == {}


@pytest.mark.parametrize(
    ("status", "location", "follow"), [(302, "https://elsewhere.example/", False), (301, "/api/v2", True)]
)
def test_no_redirect_is_followed(status: int, location: str, follow: bool) -> None:
    played = Played(follow_redirects=follow)
    with pytest.raises(LadingError) as error:
        played.play(created(played), [Answer(status, b"", {"Location": location})])
    assert (error.value.code, error.value.status) == ("redirected", status)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", {"id": "x"}, {**IMPORT, "created_at": "yesterday"}, {**IMPORT, "error": 1}]
)
def test_an_answer_of_another_form_is_told(body: Any) -> None:
    played = Played()
    with pytest.raises(LadingError) as error:
        played.play(created(played), [Answer(200, body)])
    assert error.value.code == "answer_invalid"


def test_an_answer_without_an_end_is_not_gathered() -> None:
    played = Played()
    megabyte = b"x" * 1024 * 1024
    with pytest.raises(LadingError) as error:
        played.play(created(played), [Answer(200, [megabyte] * 66)])
    assert error.value.code == "answer_invalid"
    with pytest.raises(NotFound) as missing:
        played.play(created(played), [Answer(404, [megabyte] * 10)])
    assert missing.value.code == "http_404"


def test_a_stream_is_opened_again_from_where_it_was() -> None:
    played = Played()
    state = b'event: state\nid: %d\ndata: {"id": "x"}\n\n'
    streams: list[Any] = [
        Answer(200, [b"retry: 2000\n\nid: 1\n\n", state % 2, CUT]),
        CUT,
        Answer(200, [b": hello\n\n", state % 3]),
    ]
    played.play(played.operations.events(album_id="a"), [*streams, Answer(204)])
    assert [event.id for event in played.emitted] == ["2", "3"]
    assert [request.headers.get("Last-Event-ID") for request in played.requests] == [None, "2", "2", "3"]
    assert {request.query for request in played.requests} == {(("album_id", "a"),)}
    assert played.pauses == [2.0, 0.5, 2.0], "the second one is of an answer that never came"


def test_streams_that_end_at_once_end_with_the_time_and_cuts_with_the_attempts() -> None:
    played = Played()
    with pytest.raises(ServerNotReachable):
        played.play(played.operations.events(), [Answer(200, [b"retry: 2000\n\n"])] * 31)
    assert sum(played.pauses) == pytest.approx(60)
    played = Played()
    with pytest.raises(ServerNotReachable):
        played.play(played.operations.events(), [CUT] * 6)
    assert len(played.pauses) == 5


def test_a_stream_that_brings_something_may_be_cut_as_often_as_it_likes() -> None:
    played = Played(Retry(attempts=3))
    streams = [Answer(200, [b": hello\n\n", b"data: {}\n\n", CUT])] * 12
    played.play(played.operations.events(), [*streams, Answer(204)])
    assert len(played.emitted) == 12
