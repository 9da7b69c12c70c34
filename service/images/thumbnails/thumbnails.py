"""Makes thumbnails of stored images, or takes them from the cache.

The image is found before anything is read, so that a deleted image has no thumbnail any more. The work is bounded in
three ways: a request holds a place, and few thumbnails are made at a time; of both, each issuer leaves room for others.
And the detector has its own turns for the processes that decode, of which costly thumbnails leave one free.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import structlog

from ....plugins.capabilities import SupportsThumbnails
from ....plugins.errors import FormatNotAllowed, NotAnImage, PluginError
from ....plugins.host.turns import Turns, present_issuer
from ...errors.catalogue import ApiError
from ...errors.disk import outage
from ...limits.places import Places
from ...storages.spool import Spool, Spools
from ..operations import Images, StoredImage
from .cache import ThumbnailName
from .kept import KeptThumbnails
from .refusals import Refusals
from .runs import Shared

SIDES: Final[Mapping[str, int]] = MappingProxyType({"small": 160, "medium": 480, "large": 1200})
"""Pixels of the longest side, by the size's name."""
AT_ONCE: Final = 6
"""Thumbnails that a process makes at once. One issuer has three at most: more than are decoded at once by default, so
that its next image is there in time.
"""
WAIT_SECONDS: Final = 30.0
"""How long a request waits for its turn."""
RETRY_AFTER_BUSY: Final = 2
EXPIRY_INTERVAL: Final = 3600.0
"""Seconds between two removals of old thumbnails."""

log = structlog.get_logger(__name__)


def places_for_thumbnails(limit: int) -> Places:
    """The places of so many requests for thumbnails; ``too_many_thumbnails`` beyond them."""
    return Places(limit, _busy, name="thumbnails")


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The thumbnails of all images.

    Attributes:
        makers: the detectors that make thumbnails, in the order in which Lading asks them; at least one.
        places: each request holds one, see ``places_for_thumbnails``.
        refusals: the images that the detectors have refused lately.
    """

    images: Images
    makers: Sequence[SupportsThumbnails]
    kept: KeptThumbnails
    spools: Spools
    places: Places
    refusals: Refusals = field(default_factory=Refusals)
    _turns: Turns = field(default_factory=lambda: Turns(AT_ONCE, leaves_room=True, name="rendering"))
    _awaited: Shared[bytes] = field(default_factory=Shared)
    _made: Shared[bytes] = field(default_factory=Shared)

    async def get(self, found: StoredImage, size: str, content_type: str) -> bytes:
        """The thumbnail of an image that the client may see. The caller holds a place.

        Args:
            found: the image, from ``Images.viewable``.
            size: a key of ``SIDES``.
            content_type: ``image/webp`` or ``image/jpeg``.

        Raises:
            ApiError: ``image_deleted`` or ``image_elsewhere``, if that happened meanwhile; ``image_lost`` or
                ``image_unavailable``; ``too_many_thumbnails``, ``thumbnail_unavailable``, ``disk_full`` or
                ``disk_unavailable``; the code of a detector that refuses the image, 422.
        """
        image = found.image
        recipes = ", ".join(maker.recipe for maker in self.makers)
        name = ThumbnailName.of(image.key, image.sha256, str(SIDES[size]), content_type, recipes)
        job = _Job(found, name, SIDES[size], content_type, f"{image.key}\n{image.sha256}\n{recipes}")
        known = await self._known(job)
        if known is not None:
            return known
        # Callers of one issuer wait together; another issuer waits for its own turn, which may come sooner.
        return await self._awaited.run((present_issuer(), *job.key), lambda: self._in_turn(job))

    async def run(self) -> None:
        """Remove old thumbnails now and then, until cancelled."""
        rng = random.SystemRandom()
        while True:
            # First, so that processes that start together do not begin together.
            await asyncio.sleep(EXPIRY_INTERVAL * rng.uniform(0.5, 1.0))
            await self.kept.expire()

    async def _in_turn(self, job: "_Job") -> bytes:
        try:
            give_back = await self._turns.take(WAIT_SECONDS)
        except TimeoutError as error:
            raise _busy() from error
        try:
            known = await self._known(job)
            return known if known is not None else await self._made.run(job.key, lambda: self._make(job))
        finally:
            give_back()

    async def _known(self, job: "_Job") -> bytes | None:
        """The thumbnail, if it is kept.

        Raises:
            ApiError: the detectors have refused the image lately.
        """
        kept = await self.kept.get(job.name)
        if kept is None and (refusal := self.refusals.of(job.image, job.side)) is not None:
            raise refusal
        return kept

    async def _make(self, job: "_Job") -> bytes:
        with self.spools.open() as spool:
            try:
                await self._fill(spool, job.found)
            except OSError as error:
                raise outage(error) from error
            made = await self._thumbnail(spool, job)
        await self.kept.put(job.name, made)
        try:
            # The image may have been deleted meanwhile; then its deletion found no thumbnail to remove.
            await self.images.check_is_there(job.found)
        except ApiError:
            await self.kept.forget(job.found.image.key)
            raise
        return made

    async def _fill(self, spool: Spool, found: StoredImage) -> None:
        async with aclosing(self.images.read(found, found.whole)) as chunks:
            await spool.fill(chunks)
        if spool.sha256 != found.image.sha256:
            log.error("storage holds other bytes than were imported", import_id=found.document.id)
            raise ApiError("image_lost", internal=f"its SHA-256 is {spool.sha256}")

    async def _thumbnail(self, spool: Spool, job: "_Job") -> bytes:
        refusal: PluginError | None = None
        for maker in self.makers:
            try:
                return await maker.thumbnail(spool.path, side=job.side, content_type=job.content_type)
            except (NotAnImage, FormatNotAllowed) as error:  # another detector may have recognised the image
                refusal = refusal or error
            except PluginError as error:
                raise self.refusals.add(job.image, job.side, error) from error
        if refusal is None:
            raise RuntimeError("there is no detector that makes thumbnails")
        raise self.refusals.add(job.image, job.side, refusal) from refusal


@dataclass(frozen=True, slots=True)
class _Job:
    found: StoredImage
    name: ThumbnailName
    side: int
    content_type: str
    image: str
    """What ``Refusals`` know the image by."""

    @property
    def key(self) -> tuple[str, ThumbnailName]:
        """What runs are shared by: an import that is deleted meanwhile fails no duplicate of its image."""
        return self.found.document.id, self.name


def _busy() -> ApiError:
    return ApiError("too_many_thumbnails", retry_after=RETRY_AFTER_BUSY)
