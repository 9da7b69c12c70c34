"""The guard of processors: answers, facts, growth, deadlines, errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lading.plugins.host.processing
from lading.plugins.contracts.processing import MAX_FACTS_BYTES, MAX_FACTS_DEPTH, Output, Picture, Processed
from lading.plugins.errors import (
    DeadlineExceeded,
    ImageRefused,
    NotAnImage,
    OutputTooLarge,
    PluginError,
    PluginFault,
    ProcessError,
    ProcessorUnavailable,
)
from lading.plugins.host.processing import problem_of_facts
from lading.plugins.host.record import PluginCall
from lading.plugins.testing.leaks import no_leaks
from tests.support.plugins.processors import Act, ScriptedProcessor, guarded, leaving, raising, replacing
from tests.support.plugins.scripted import INFO

MOST = 1000


@contextmanager
def places(folder: Path) -> Iterator[tuple[Picture, Output]]:
    source, target = folder / "picture", folder / "output"
    source.write_bytes(b"picture")
    target.touch()
    yield Picture(source, 7, "0" * 64, INFO, "organization", "issuer"), Output(target, MOST)


async def answer_of(act: Act, folder: Path, deadline: float = 30.0) -> Processed | Exception:
    with places(folder) as (picture, output):
        try:
            return await guarded(act, "named", deadline).process(picture, output)
        except PluginError as caught:
            error = caught
    assert error.plugin == "named"
    return error


@pytest.mark.gen_test
async def test_answers_pass(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"words": ["a", None, True, 1, 0.5, {"deep": []}]}
    assert await answer_of(leaving(facts), tmp_path) == Processed(facts=facts)
    assert await answer_of(replacing(lambda data: data * 2, facts), tmp_path) == Processed(True, facts)
    assert (tmp_path / "output").read_bytes() == b"picture" * 2


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [ImageRefused(), ProcessorUnavailable("away"), ProcessError()], ids=type)
async def test_errors_of_processors_pass(tmp_path: Path, error: PluginError) -> None:
    assert error.code in {"image_refused", "processor_unavailable", "process_error"}
    assert await answer_of(raising(error), tmp_path) is error


@pytest.mark.gen_test
@pytest.mark.parametrize("error", [NotAnImage(), ValueError("secret")], ids=type)
async def test_other_errors_are_faults(tmp_path: Path, error: Exception) -> None:
    found = await answer_of(raising(error), tmp_path)
    assert isinstance(found, PluginFault)
    assert "secret" not in str(found)


def answering(answer: Any, data: bytes = b"") -> Act:
    async def act(_picture: Picture, output: Output) -> Processed:
        output.path.write_bytes(data)
        return answer  # type: ignore[no-any-return]

    return act


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("answer", "data", "told"),
    [
        (None, b"", "process gave NoneType"),
        (Processed(replaced=1), b"x", "int as replaced"),  # type: ignore[arg-type]
        (Processed(replaced=True), b"", "wrote nothing"),
        (Processed(), b"four", "wrote 4 bytes"),
        (Processed(facts={"Name": 1}), b"", "the name 'Name'"),
    ],
)
async def test_wrong_answers_are_faults(tmp_path: Path, answer: Any, data: bytes, told: str) -> None:
    found = await answer_of(answering(answer, data), tmp_path)
    assert isinstance(found, PluginFault)
    assert told in found.internal


@pytest.mark.gen_test
async def test_an_output_that_is_too_large_in_the_end(tmp_path: Path) -> None:
    found = await answer_of(answering(Processed(replaced=True), bytes(MOST + 1)), tmp_path)
    assert isinstance(found, OutputTooLarge)
    assert found.facts == {"limit": MOST}


@pytest.mark.gen_test
async def test_an_output_that_grows_without_bound_ends_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lading.plugins.host.processing, "LOOK_SECONDS", 0.001)

    async def act(_picture: Picture, output: Output) -> Processed:
        with output.path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(MOST))
                await asyncio.sleep(0.001)

    async with no_leaks():
        found = await answer_of(act, tmp_path)
    assert isinstance(found, OutputTooLarge)
    assert (tmp_path / "output").stat().st_size == 0, "its room is not free again"


@pytest.mark.gen_test
async def test_a_call_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def act(_picture: Picture, _output: Output) -> Processed:
        await asyncio.Event().wait()
        raise AssertionError

    async with no_leaks():
        assert isinstance(await answer_of(act, tmp_path, 0.05), DeadlineExceeded)


@pytest.mark.gen_test
async def test_a_cancelled_call_ends_as_cancelled(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def act(_picture: Picture, _output: Output) -> Processed:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with no_leaks():
        task = asyncio.create_task(answer_of(act, tmp_path))
        await begun.wait()
        task.cancel()
        await asyncio.wait((task,))
    assert task.cancelled()


@pytest.mark.gen_test
async def test_calls_are_recorded_under_their_kind(tmp_path: Path) -> None:
    calls: list[PluginCall] = []
    processor = lading.plugins.host.processing.GuardedProcessor(
        ScriptedProcessor(leaving()), "named", 30.0, observer=calls.append
    )
    with places(tmp_path) as (picture, output):
        await processor.process(picture, output)
    await processor.close()
    assert [call[:4] for call in calls] == [("process", "named", name, "ok") for name in ("process", "close")]


@pytest.mark.gen_test
async def test_a_processor_cannot_change_its_facts_later(tmp_path: Path) -> None:
    inner: list[int] = []
    found = await answer_of(leaving({"list": inner}), tmp_path)
    inner.append(1)
    assert found == Processed(facts={"list": []})


def nested(depth: int) -> Any:
    return {} if depth == 1 else {"a": nested(depth - 1)}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ([], "are list"),
        ({1: 2}, "the name 1"),
        ({"ok": 1, "no-hyphen": 1}, "the name 'no-hyphen'"),
        ({"a": (1,)}, "have a tuple"),
        ({"a": b""}, "have a bytes"),
        ({"a": float("nan")}, "not finite"),
        ({"a": float("inf")}, "not finite"),
        ({"a": 2**53}, "beyond"),
        ({"a": -(2**53)}, "beyond"),
        ({"a": "\0"}, "NUL"),
        ({"a": ["\ud800"]}, "surrogate"),
        ({"a": {1: 2}}, "no string"),
        ({"a": "x" * (MAX_FACTS_BYTES - 7)}, f"{MAX_FACTS_BYTES + 1} bytes"),
        (nested(MAX_FACTS_DEPTH + 1), "deeper"),
    ],
)
def test_facts_that_are_none(facts: Any, told: str) -> None:
    assert told in (problem_of_facts(facts) or "")


@pytest.mark.parametrize(
    "facts", [{}, {"a_1": 2**53 - 1}, {"a": "x" * (MAX_FACTS_BYTES - 8)}, nested(MAX_FACTS_DEPTH), {"a": "ü🖼"}]
)
def test_facts_that_are_some(facts: Any) -> None:
    assert problem_of_facts(facts) is None
