"""The processors of an attempt: each looks at the image between detection and storage; see ``Processor``.

No processor can write into the bytes that Lading judges and stores. A processor writes into a file of its own, which
Lading copies into another spool. Bytes that a processor could reach are hashed again after its call.
"""

import asyncio
import copy
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import IO, Any

from ....plugins.contracts import ImageInfo
from ....plugins.contracts.processing import Output, Picture, Processed
from ....plugins.contracts.quick import copied
from ....plugins.errors import DetectError, OutputTooLarge, ProcessorStalled
from ....plugins.host.processing import GuardedProcessor
from ....plugins.host.record import enter
from ...models import Image, Import
from ...storages.spool import CHUNK_BYTES, Spool, Spools
from ...storages.unnamed import path_of
from .slowness import stalled_if_slow


@dataclass(frozen=True, slots=True)
class Done:
    """What one processor has done: its name, whether it replaced the image, and its facts."""

    plugin: str
    replaced: bool
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """An image that is ready to be stored.

    Attributes:
        spool: its bytes.
        info: what the detectors recognised in them.
        source_sha256: SHA-256 of the bytes that came, if they are others; else None.
        facts: by processor.
        done: what each processor did, in order.
    """

    spool: Spool
    info: ImageInfo
    source_sha256: str | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    done: tuple[Done, ...] = ()

    def described(self, image: Image) -> Image:
        """The description of an object with these bytes, as this import has it: others may have come to the same bytes
        in another way.
        """
        return copied(image, source_sha256=self.source_sha256, facts=self.facts)


@dataclass(frozen=True, slots=True)
class Processing:
    """Runs images through the configured processors.

    Attributes:
        processors: in their order.
        spools: keep the bytes.
        detect: recognises new bytes.
        max_bytes: the largest size of a new file.
    """

    processors: Sequence[GuardedProcessor]
    spools: Spools
    detect: Callable[[Spool], Awaitable[ImageInfo]]
    max_bytes: int

    def run(
        self, document: Import, spool: Spool, info: ImageInfo, filename: str | None
    ) -> AbstractAsyncContextManager[Ready]:
        """Run a recognised image through the processors. The new bytes exist while the context is open.

        Raises:
            ProcessError: a processor refuses the image, or failed.
            PluginFault: a processor broke its contract.
            DetectError: the detection of new bytes failed, and another attempt may succeed.
            OSError: the disk cannot be written.
        """
        ready = Ready(spool, info)
        return self._run(document, ready, filename) if self.processors else nullcontext(ready)

    @asynccontextmanager
    async def _run(self, document: Import, ready: Ready, filename: str | None) -> AsyncIterator[Ready]:
        spool = ready.spool
        with ExitStack() as stack:
            for processor in self.processors:
                enter("process")
                new = stack.enter_context(self.spools.open())
                after = await self._step(processor, _picture(document, ready, filename), ready, new)
                if ready.spool not in (spool, after.spool):
                    ready.spool.close()
                ready = after
            is_other = ready.spool.sha256 != spool.sha256
            yield replace(ready, source_sha256=spool.sha256 if is_other else None)

    async def _step(self, processor: GuardedProcessor, picture: Picture, ready: Ready, new: Spool) -> Ready:
        """One processor. ``new`` gets the new bytes, if there are any."""
        async with self.spools.scratch() as file:
            answer = await self._called(processor, picture, ready.spool, Output(path_of(file), self.max_bytes))
            if answer.replaced:
                await new.fill(self._pieces(processor, file))
        facts = {**ready.facts, processor.name: answer.facts} if answer.facts else ready.facts
        is_new = answer.replaced and new.sha256 != ready.spool.sha256
        done = (*ready.done, Done(processor.name, is_new, answer.facts))
        if not is_new:
            new.close()
            return replace(ready, facts=facts, done=done)
        return Ready(new, await self._recognised(processor, new), facts=facts, done=done)

    async def _called(self, processor: GuardedProcessor, picture: Picture, spool: Spool, output: Output) -> Processed:
        with stalled_if_slow(ProcessorStalled):
            answer = await processor.process(picture, output)
        try:
            await spool.check_bytes()
        except OSError as error:
            raise processor.stamp.fault("process changed the image that it was given") from error
        return answer

    async def _recognised(self, processor: GuardedProcessor, new: Spool) -> ImageInfo:
        """What the detectors recognise in new bytes. Their refusal is the fault of the processor, not of the image."""
        enter("detect")
        try:
            return await self.detect(new)
        except DetectError as error:
            if error.retryable:
                raise
            raise processor.stamp.fault(f"the detectors refuse its new file: {error.code}") from error

    async def _pieces(self, processor: GuardedProcessor, file: IO[bytes]) -> AsyncIterator[bytes]:
        """The content of an output; at most ``max_bytes``, though a processor may still write after its answer."""
        loop, offset = asyncio.get_running_loop(), 0
        while piece := await loop.run_in_executor(self.spools.executor, os.pread, file.fileno(), CHUNK_BYTES, offset):
            offset += len(piece)
            if offset > self.max_bytes:
                raise processor.stamp.judged(OutputTooLarge(limit=self.max_bytes), "process")
            yield piece


def _picture(document: Import, ready: Ready, filename: str | None) -> Picture:
    metadata = document.metadata
    return Picture(
        path=ready.spool.path,
        byte_size=ready.spool.byte_size,
        sha256=ready.spool.sha256,
        info=ready.info,
        organization_id=document.organization_id,
        issuer_id=document.issuer_id,
        album_id=document.album_id,
        filename=filename,
        metadata=copy.deepcopy(dict(metadata)) if isinstance(metadata, Mapping) else {},
        import_id=document.id,
    )
