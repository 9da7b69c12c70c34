"""Processors that do what a test says."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lading.plugins.contracts.processing import Output, Picture, Processed, Processor
from lading.plugins.host.processing import GuardedProcessor
from lading.plugins.options import PluginOptions

Act = Callable[[Picture, Output], Awaitable[Processed]]


class ScriptedProcessor(Processor):
    """Does ``act``, and remembers the pictures."""

    contract_version = 1

    def __init__(self, act: Act) -> None:
        super().__init__(PluginOptions())
        self.act = act
        self.seen: list[Picture] = []

    async def process(self, picture: Picture, output: Output) -> Processed:
        self.seen.append(picture)
        return await self.act(picture, output)

    async def close(self) -> None:
        """Nothing is open."""


def guarded(act: Act, name: str = "scripted", deadline: float = 30.0) -> GuardedProcessor:
    return GuardedProcessor(ScriptedProcessor(act), name, deadline)


def leaving(facts: Mapping[str, Any] | None = None) -> Act:
    """Leaves each image as it is."""

    async def act(_picture: Picture, _output: Output) -> Processed:
        return Processed(facts=facts or {})

    return act


def replacing(change: Callable[[bytes], bytes], facts: Mapping[str, Any] | None = None) -> Act:
    """Replaces each image."""

    async def act(picture: Picture, output: Output) -> Processed:
        output.path.write_bytes(change(picture.path.read_bytes()))
        return Processed(replaced=True, facts=facts or {})

    return act


def raising(error: Exception) -> Act:
    async def act(_picture: Picture, _output: Output) -> Processed:
        raise error

    return act
