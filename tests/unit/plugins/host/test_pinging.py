"""The pings of fetchers, detectors and processors: through their guards, in ``lading check`` and in readiness."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lading.plugins import SupportsPing, capabilities
from lading.plugins.contracts.processing import Output, Picture, Processed
from lading.plugins.errors import DetectError, FetchError, OriginUnavailable, PluginError, PluginFault, ProcessError
from lading.plugins.host import pinging
from lading.plugins.host.guards import GuardedDetector, GuardedFetcher
from lading.plugins.host.processing import GuardedProcessor
from lading.service.cli.plugins.catalogue import CAPABILITIES
from lading.service.config import Settings
from lading.service.config.components import Components, load_components
from lading.service.observe.outages import Outage
from lading.service.runtime import checks
from lading.service.runtime.admin.listener import in_detail
from lading.service.runtime.api_wiring import make_readiness
from lading.service.runtime.plugins import GuardedPlugins
from tests.support.plugins.processors import ScriptedProcessor
from tests.support.plugins.scripted import ScriptedDetector, ScriptedFetcher

Answer = Callable[[], Awaitable[None]]


class _Asked(SupportsPing):
    answer: Answer

    async def ping(self) -> None:
        await self.answer()


class PingedFetcher(_Asked, ScriptedFetcher):
    pass


class PingedDetector(_Asked, ScriptedDetector):
    pass


class PingedProcessor(_Asked, ScriptedProcessor):
    pass


async def _leave(_picture: Picture, _output: Output) -> Processed:
    return Processed()


def guards(answer: Answer) -> GuardedPlugins:
    """A guarded plugin of each kind whose ping does what the test says."""
    plugins: tuple[Any, ...] = (PingedFetcher(), PingedDetector(), PingedProcessor(_leave))
    for plugin in plugins:
        plugin.answer = answer
    fetcher, detector, processor = plugins
    return GuardedPlugins(
        {"a": (one := GuardedFetcher(fetcher, "tape", 5)), "b": one},
        (GuardedDetector(detector, "raw", 5),),
        (GuardedProcessor(processor, "scan", 5),),
    )


def all_pings(plugins: GuardedPlugins) -> dict[str, Answer]:
    return {**plugins.fetcher_pings, **plugins.pings}


async def outcome(ping: Answer) -> str:
    try:
        await ping()
    except PluginError as error:
        return str(error)
    return "ok"


@pytest.mark.gen_test
async def test_each_kind_is_asked_under_its_noun_and_a_fetcher_of_two_schemes_once() -> None:
    asked = []

    async def answer() -> None:
        asked.append(1)

    pings = all_pings(guards(answer))
    assert sorted(pings) == ["detector.raw", "fetcher.tape", "processor.scan"]
    assert [await outcome(ping) for ping in pings.values()] == ["ok"] * 3
    assert len(asked) == 3


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("name", "error"), [("fetcher.tape", FetchError), ("detector.raw", DetectError), ("processor.scan", ProcessError)]
)
async def test_an_error_has_the_plugin_s_name_and_a_foreign_error_is_a_fault(
    name: str, error: type[PluginError]
) -> None:
    raised: Exception = error("the robot is away")

    async def answer() -> None:
        raise raised

    ping = all_pings(guards(answer))[name]
    assert await outcome(ping) == f"[{name.partition('.')[2]}] {error.code}: {error.public_text} (the robot is away)"
    raised = OSError("secret=1")
    with pytest.raises(PluginFault) as caught:
        await ping()
    assert "secret" not in str(caught.value)


@pytest.mark.gen_test
async def test_a_ping_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "PING_SECONDS", 0.01)
    assert "deadline_exceeded" in await outcome(guards(asyncio.Event().wait).pings["detector.raw"])  # type: ignore[arg-type]


@pytest.mark.gen_test
async def test_a_replaced_fetcher_is_the_one_that_is_asked() -> None:
    old, new = PingedFetcher(), PingedFetcher()

    async def away() -> None:
        raise OriginUnavailable("away")

    async def here() -> None:
        """Works."""

    old.answer, new.answer = away, here
    guard = GuardedFetcher(old, "tape", 5)
    assert guard.pinger is not None
    assert "origin_unavailable" in await outcome(guard.pinger.ping)
    guard.replace(new)
    assert await outcome(guard.pinger.ping) == "ok"


def test_plugins_without_a_ping_are_not_asked() -> None:
    async def build() -> GuardedPlugins:
        return GuardedPlugins(
            {"a": GuardedFetcher(ScriptedFetcher(), "tape", 5)},
            (GuardedDetector(ScriptedDetector(), "raw", 5),),
            (GuardedProcessor(ScriptedProcessor(_leave), "scan", 5),),
        )

    assert all_pings(asyncio.run(build())) == {}


@pytest.mark.gen_test
async def test_lading_check_tells_each_plugin_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer() -> None:
        raise DetectError("the robot is away")

    def made(_settings: Settings, _components: Components, _stack: object) -> GuardedPlugins:
        return guards(answer)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "guarded_plugins", made)
    settings = Settings()
    faults = await checks.probe(settings, load_components(settings))
    assert [fault.partition(": ")[0] for fault in faults] == ["fetcher.tape", "detector.raw", "processor.scan"]
    assert faults[1] == f"detector.raw: [raw] detect_error: {DetectError.public_text} (the robot is away)"


@pytest.mark.gen_test
async def test_imports_wait_for_detectors_and_processors_and_a_fetcher_is_only_told_of() -> None:
    async def away() -> None:
        raise PluginError("away")

    async def works() -> None:
        """Works."""

    part: Any = SimpleNamespace(ping=works, outage=Outage("documents"))
    parts: Any = SimpleNamespace(
        store=part,
        storages=SimpleNamespace(backend=part, by_name={"main": part}, main="main"),
        spools=part,
        opening=part,
        plugins=guards(away),
    )
    readiness = make_readiness(parts)
    assert await readiness.failing() == ("detector.raw", "processor.scan")
    assert "fetcher.tape" not in {one.name for one in await readiness.parts()}, "no probe waits for it"
    told = {one.name: (one.works, one.is_required) for one in await in_detail(parts, readiness, None).readiness.parts()}
    assert told["fetcher.tape"] == (False, False)
    assert told["storage"] == (True, True)


def test_lading_plugins_has_a_name_for_every_capability() -> None:
    declared = {value for name, value in vars(capabilities).items() if name.startswith("Supports")}
    assert set(CAPABILITIES.values()) == declared
