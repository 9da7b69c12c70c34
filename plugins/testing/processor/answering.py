"""Cases of the processor suite: what it answers, of good and of damaged images."""

import asyncio

from ...errors import OutputTooLarge, ProcessError
from .. import images
from .support import Made, ProcessorHarness, picture_of

FILES_PER_CASE = 120
"""About how many damaged files a case tries; they are shared out among the samples."""
STRANGE = ("", "../../etc/passwd", "new\nline", "bild-ü-图-🖼", "a;b|c&d$(e)`f`'g\"h", "\u202egnp.exe", "x" * 1000)
"""Texts that clients send."""


class AnswerCases(ProcessorHarness):
    async def test_every_sample_is_processed(self) -> None:
        """Each sample has a well-formed ``Processed``; a file that replaces it is an image."""
        async with self.opened() as processor:
            assert self.samples(), "no samples"
            for sample in self.samples():
                await self.treat(processor, sample)

    async def test_every_rejected_image_gives_its_class(self) -> None:
        """Each image of ``rejected()`` raises the class of error that it states, and does no lasting harm."""
        async with self.opened() as processor:
            expected = await self.treat(processor, self.samples()[0])
            for rejected in self.rejected():
                name = rejected.sample.name
                with self.file(rejected.sample.data) as path:
                    result = await self.call(processor, picture_of(rejected.sample, path), name)
                assert type(result) is rejected.error, f"{name}: {result!r} instead of {rejected.error.__name__}"
                self.assert_same(expected, await self.treat(processor, self.samples()[0]), f"after {name}")

    async def test_the_same_every_time(self) -> None:
        """The same image gives the same bytes and facts every time, from another instance too."""
        for sample in self.samples():
            async with self.opened() as one, self.opened() as other:
                first = await self.treat(one, sample)
                self.assert_same(first, await self.treat(one, sample), f"{sample.name}, a second time")
                self.assert_same(first, await self.treat(other, sample), f"{sample.name}, from another instance")

    async def test_the_limit_of_the_output(self) -> None:
        """A new file has at most ``Output.max_bytes``; a larger one raises ``OutputTooLarge``."""
        async with self.opened() as processor:
            for sample in self.samples():
                made = await self.treat(processor, sample)
                if made.data is None:
                    continue
                size = len(made.data)
                with self.file(sample.data) as path:
                    fits = await self.call(processor, picture_of(sample, path), sample.name, size)
                    self.assert_same(made, self.accepted(fits, sample.name), f"{sample.name} in {size} bytes")
                    for limit in (size - 1, 1):
                        result = await self.call(processor, picture_of(sample, path), sample.name, limit)
                        assert type(result) is OutputTooLarge, f"{sample.name} in {limit} bytes: {result!r}"

    async def test_whatever_the_client_says(self) -> None:
        """Strange names, albums and metadata give a ``Processed`` or a ``ProcessError``."""
        sample = self.samples()[0]
        async with self.opened() as processor:
            with self.file(sample.data) as path:
                for text in (*STRANGE, None):
                    metadata = {} if text is None else {text: [text, {"a": None}, 1.5, True]}
                    picture = picture_of(sample, path, album_id=text, filename=text, metadata=metadata)
                    await self.call(processor, picture, f"a client that says {text!r:.80}")

    async def test_damaged_images(self) -> None:
        """A truncated image, or an image with wrong bits, gives a ``Processed`` or a ``ProcessError``, in time."""
        samples = self.samples()
        count = max(4, FILES_PER_CASE // len(samples) // 2)
        async with self.opened() as processor:
            for sample in samples:
                damaged = [*images.truncations(sample.data, count)[:count], *images.bit_flips(sample.data, count)]
                middle = len(sample.data) // 2
                damaged += [b"\0" * 64, sample.data[:middle] + bytes(len(sample.data) - middle)]
                for number, data in enumerate(damaged):
                    what = f"{sample.name} with damage, number {number}"
                    with self.file(data) as path:
                        result = await self.call(processor, picture_of(sample, path, data), what)
                    assert isinstance(result, Made | ProcessError), what
            await self.treat(processor, samples[0])

    async def test_many_at_once(self) -> None:
        """Concurrent calls for different images give each image its own answer."""
        samples = self.samples()
        async with self.opened() as processor:
            expected = [await self.treat(processor, sample) for sample in samples]
            numbers = [number % len(samples) for number in range(max(16, len(samples)))]
            found = await asyncio.gather(*(self.treat(processor, samples[number]) for number in numbers))
        for number, made in zip(numbers, found, strict=True):
            self.assert_same(expected[number], made, f"{samples[number].name} among others")
