"""Cases of the detector suite: the thumbnails of a detector that makes them."""

import io
import warnings

from PIL import Image

from ...capabilities import LARGEST_THUMBNAIL, SupportsThumbnails
from ..cancellation import attempt
from .support import DetectorHarness

_FORMATS = {"image/webp": "WEBP", "image/jpeg": "JPEG"}
_KINDS = tuple((content_type, side) for side in (16, 1200) for content_type in _FORMATS)


class ThumbnailCases(DetectorHarness):
    async def test_thumbnails(self) -> None:
        """Each sample has a thumbnail of the wanted type and sides, without metadata, the same one each time."""
        async with self.opened() as detector:
            if not isinstance(detector, SupportsThumbnails):
                return
            recipe = detector.recipe
            assert isinstance(recipe, str), f"the recipe is {recipe!r}"
            for number, sample in enumerate(self.samples()):
                kinds = _KINDS if number == 0 else (_KINDS[number % len(_KINDS)],)
                for content_type, side in kinds:
                    what = f"{sample.name} as {content_type} of {side}"
                    with self.file(sample.data) as path:
                        made = await detector.thumbnail(path, side=side, content_type=content_type)
                        again = (
                            await detector.thumbnail(path, side=side, content_type=content_type)
                            if number == 0
                            else made
                        )
                    assert isinstance(made, bytes), f"{what}: {made!r}"
                    assert 0 < len(made) <= LARGEST_THUMBNAIL, f"{what}: {len(made)} bytes"
                    assert again == made, f"{what}: another one the second time"
                    self._assert_fits(made, what, _FORMATS[content_type], min(side, max(sample.width, sample.height)))
            assert detector.recipe == recipe, "the recipe has changed"

    async def test_no_thumbnail_of_what_it_refuses(self) -> None:
        """A file that is no image has no thumbnail: the refusal is that of ``detect``."""
        async with self.opened() as detector:
            if not isinstance(detector, SupportsThumbnails):
                return
            with self.file(b"no image at all" * 100) as path:
                expected = await attempt(detector.detect(path))
                made = await attempt(detector.thumbnail(path, side=16, content_type="image/jpeg"))
            assert type(made) is type(expected), f"of what is no image it makes {made!r}, and it detects {expected!r}"
            await self.assert_works(detector)

    @staticmethod
    def _assert_fits(made: bytes, what: str, kind: str, longest: int) -> None:
        with warnings.catch_warnings(action="ignore"):
            image = Image.open(io.BytesIO(made))
            image.load()
        assert image.format == kind, f"{what}: it is {image.format}"
        assert max(image.size) == longest, f"{what}: its sides are {image.size}"
        kept = sorted({"exif", "icc_profile", "xmp", "comment"} & set(image.info))
        assert not kept, f"{what}: it has {', '.join(map(str, kept))}"
