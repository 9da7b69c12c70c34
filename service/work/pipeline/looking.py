"""Asks the detectors; and looks at the first bytes of a fetch, so that what can be no image costs no more than they do.

An answer that goes on for ever (a camera's pictures, a log, a radio) would otherwise be read until a limit ends it, and
a page would be read to its end.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ....plugins.capabilities import LONGEST_HEAD, SupportsEarlyRefusal
from ....plugins.contracts import ImageInfo, TypeDetector
from ....plugins.errors import FormatNotAllowed, NotAnImage
from ...storages.spool import Spool
from .slowness import stalled_if_slow

_FIRST_LOOK: Final = 64
_MEDIA_TYPE: Final = re.compile(r"[!#$&^_.+0-9a-z-]{1,63}/[!#$&^_.+0-9a-z-]{1,63}")


class NotTheAnnounced(NotAnImage):
    """Bytes that are no image, where the origin has said what they are."""

    public_text = "The bytes are not an image of a known format. The origin announces {content_type}."


class EarlyLook:
    """Fills spools, and ends the fetch of what no detector can accept.

    Args:
        detectors: in the order in which they are asked. Where one of them cannot tell by the first bytes, no fetch is
            ended early.
    """

    def __init__(self, detectors: Sequence[TypeDetector]) -> None:
        early = [detector for detector in detectors if isinstance(detector, SupportsEarlyRefusal)]
        self._detectors = early if len(early) == len(detectors) else []

    async def fill(self, spool: Spool, chunks: AsyncIterator[bytes]) -> None:
        """Write all of ``chunks`` into the spool; see ``Spool.fill``.

        Raises:
            NotAnImage: no detector accepts a file that begins with these bytes; the rest was not read.
        """
        pieces = aiter(chunks)
        if self._detectors:
            head = b""
            due = _FIRST_LOOK
            async for piece in pieces:
                await spool.write(piece)
                head = (head + piece[:LONGEST_HEAD])[:LONGEST_HEAD]
                if len(head) >= due:
                    self._look(head)
                    due = min(2 * len(head), LONGEST_HEAD)
                    if len(head) == LONGEST_HEAD:
                        break
        await spool.fill(pieces)

    def _look(self, head: bytes) -> None:
        if not any(detector.could_be(head) for detector in self._detectors):
            raise NotAnImage(f"by its first {len(head)} bytes")


@contextmanager
def announced_as(content_type: str | None) -> Iterator[None]:
    """Around the detection of what was fetched: its refusal tells what the origin has announced.

    Raises:
        NotTheAnnounced: in place of ``NotAnImage``, where that is known.
    """
    try:
        yield
    except NotAnImage as error:
        if type(error) is not NotAnImage or not content_type or not _MEDIA_TYPE.fullmatch(content_type):
            raise
        told = NotTheAnnounced(error.internal, content_type=content_type)
        told.plugin = error.plugin
        raise told from error


async def recognised(detectors: Sequence[TypeDetector], spool: Spool) -> ImageInfo:
    """Ask the detectors in turn. If none accepts the file, the error of the first that knew its format counts.

    Raises:
        DetectError: the file is refused, or its detection failed.
    """
    refusal: NotAnImage | FormatNotAllowed = NotAnImage("no detector is configured")
    for detector in detectors:
        try:
            with stalled_if_slow():
                return await detector.detect(spool.path)
        except (NotAnImage, FormatNotAllowed) as error:
            if not isinstance(refusal, FormatNotAllowed):
                refusal = error
    raise refusal
