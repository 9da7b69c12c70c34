"""``import_many`` before a service that accepts items in part, answers in part, or is slow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from lading.client import LadingError, Retry, TimedOut
from tests.client.unit.playing import CUT, Answer, Played, problem, shown

URLS = ["https://www.example.org/1", "https://www.example.org/2", "https://www.example.org/3"]
LIMITED = {"status": 429, "code": "rate_limited", "detail": "Later."}


def accepted(line: int, **more: Any) -> dict[str, Any]:
    return {"line": line, "status": 200, "id": f"i{line}", **more}


def answer(*lines: Mapping[str, Any], batch: str = "b", **summary: Any) -> Answer:
    """The answer to a batch."""
    whole = [*lines, {"batch_id": batch, "complete": True, **summary}]
    return Answer(200, b"\n".join(json.dumps(line).encode() for line in whole) + b"\n", {"X-Batch-Id": batch})


def listed(**states: str) -> Answer:
    """A page of imports, by their ids."""
    return Answer(200, {"imports": [{**shown(state), "id": name} for name, state in states.items()]})


def lines_of(played: Played) -> Sequence[Sequence[bytes]]:
    """The bodies of the batches that were sent, line by line."""
    return [request.body.split(b"\n") for request in played.requests if request.path.endswith("/batch")]


def test_only_what_was_not_accepted_is_sent_again_with_its_line_and_key() -> None:
    played = Played()
    later = {**LIMITED, "line": 2}
    first = answer(accepted(3), later, accepted(1))
    # It looks once more before it is time to send again.
    answers = [first, listed(i1="done", i3="running"), listed(i3="running"), answer(accepted(2), batch="c")]
    answers += [listed(i1="done", i3="done"), listed(i2="done")]
    played.play(played.operations.import_many(URLS), answers)
    assert sorted((one.index, one.import_id, one.is_done) for one in played.emitted) == [
        (0, "i1", True), (1, "i2", True), (2, "i3", True),
    ]  # fmt: skip
    whole, rest = lines_of(played)
    assert [json.loads(line)["url"] for line in whole] == URLS
    assert rest == [b"", whole[1], b""]
    keys = [request.headers["Idempotency-Key"] for request in played.requests if request.method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_items_that_are_refused_for_long_are_given_up() -> None:
    played = Played(Retry(attempts=3))
    busy = answer(accepted(1), {**LIMITED, "line": 2}, {**LIMITED, "line": 3})
    never = answer({**LIMITED, "line": 2}, {**LIMITED, "line": 3})
    played.play(played.operations.import_many(URLS, wait=False), [busy, never, never])
    given_up = [(one.index, getattr(one.error, "code", "")) for one in played.emitted]
    assert given_up == [(0, ""), (1, "rate_limited"), (2, "rate_limited")]


def test_an_answer_that_leaves_out_items_is_asked_again_and_at_last_told() -> None:
    played = Played(Retry(attempts=3))
    part = answer(accepted(1), complete=False, code="disk_full", detail="No room.")
    none = answer(complete=False, code="disk_full", detail="No room.")
    played.play(played.operations.import_many(URLS, wait=False), [part, none, none])
    assert [getattr(one.error, "code", "") for one in played.emitted] == ["", "disk_full", "disk_full"]
    assert lines_of(played)[1][0] == b""


def test_what_an_earlier_request_made_is_looked_at_alone() -> None:
    played = Played()
    replayed = answer(*(accepted(line, replayed=True) for line in (1, 2, 3)))
    alone = [
        Answer(200, {**shown(state), "id": name})
        for name, state in (("i1", "done"), ("i2", "running"), ("i3", "failed"))
    ]
    later = [Answer(200, {**shown("done"), "id": "i2"})]
    played.play(played.operations.import_many(URLS), [replayed, *alone, *later])
    assert [(one.import_id, one.is_replayed) for one in played.emitted] == [("i1", True), ("i3", True), ("i2", True)]
    assert not any("batch_id" in dict(request.query) for request in played.requests)


def test_a_token_that_may_not_list_looks_at_a_few_at_a_time() -> None:
    played = Played()
    count = 20
    running = [Answer(200, {**shown("running"), "id": f"i{line}"}) for line in range(1, 9)]
    done = [Answer(200, {**shown("done"), "id": f"i{line}"}) for line in (*range(9, 21), *range(1, 9))]
    urls = [f"https://www.example.org/{number}" for number in range(count)]
    batch = answer(*(accepted(line) for line in range(1, count + 1)))
    played.play(played.operations.import_many(urls), [batch, problem(403, "forbidden"), *running, *done])
    assert len(played.emitted) == count
    assert played.emitted[0].import_id == "i9"
    looks = dict(zip(played.times[2:], played.requests[2:], strict=True))
    assert len(looks) == 2, "after eight that still run there is a pause"
    assert looks[played.times[2]].path.endswith("/i8")


def test_an_import_that_does_not_end_is_timed_out_and_one_that_is_gone_is_told() -> None:
    played = Played()
    slow = listed(i1="running", i2="done")
    answers = [answer(*(accepted(line) for line in (1, 2, 3))), slow, problem(404, "not_found"), *[slow] * 3]
    played.play(played.operations.import_many(URLS, timeout=1.0), answers)
    told = {one.index: one for one in played.emitted}
    assert isinstance(told[0].error, TimedOut)
    assert told[1].is_done
    assert isinstance(told[2].error, LadingError)
    assert told[2].error.code == "not_found"


def test_no_more_is_read_than_may_be_awaited() -> None:
    played = Played()
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"https://www.example.org/{taken}"

    batches = []
    for number in range(5):
        lines = ({"line": line, "status": 200, "id": f"{number}-{line}"} for line in range(1, 201))
        batches.append(answer(*lines, batch=str(number)))
        batches += [
            Answer(200, {"imports": [{**shown("queued"), "id": f"{one}-{line}"} for line in range(1, 201)]})
            for one in range(number + 1)
        ]
    with pytest.raises(LadingError):
        played.play(played.operations.import_many(endless()), [*batches, Answer(401)])
    assert taken == 1000
    assert len(lines_of(played)) == 5


def test_a_batch_that_is_cut_is_sent_again_whole() -> None:
    played = Played()
    cut = Answer(200, [json.dumps(accepted(1)).encode() + b"\n", CUT], {"X-Batch-Id": "b"})
    again = answer(accepted(1, replayed=True), accepted(2), accepted(3), batch="c")
    played.play(played.operations.import_many(URLS, wait=False, idempotency_key="mine"), [cut, again])
    assert [one.is_replayed for one in played.emitted] == [True, False, False]
    assert lines_of(played)[0] == lines_of(played)[1]
    assert played.requests[0].headers["Idempotency-Key"].startswith("mine-")
