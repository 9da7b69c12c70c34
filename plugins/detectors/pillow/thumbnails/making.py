"""Makes a thumbnail of a file. Needs Pillow: for the child process alone."""

import math
from collections.abc import Sequence
from typing import BinaryIO

from PIL import Image

from .. import cost
from ..cost import Cost, Costly
from ..decode import Opened, measured, opened, orientation_of, refusing
from ..judgement import judged
from ..limits import MAX_THUMBNAIL, Limits, Refused
from ..structure.inspection import Size
from .rendering import Plan, encoded, render


def make(file: BinaryIO, limits: Limits, side: int, content_type: str, *, may_be_costly: bool) -> bytes:
    """The thumbnail of the first frame of the image in ``file``, which is opened in binary mode. Blocks.

    Args:
        file: the image.
        limits: of the child.
        side: pixels of its longest side at most.
        content_type: ``image/webp`` or ``image/jpeg``.
        may_be_costly: whether the work may take long.

    Raises:
        Refused, Costly, MemoryError, OSError: see ``recognise``.
    """
    with refusing(limits):
        seconds = math.inf if may_be_costly else cost.COSTLY_THUMBNAIL_SECONDS
        made = encoded(small(file, limits, side, seconds), content_type)
    if len(made) > MAX_THUMBNAIL:
        raise Refused("image_too_complex", f"a thumbnail of {len(made)} bytes", resource="memory")
    return made


def small(file: BinaryIO, limits: Limits, side: int, seconds: float) -> Image.Image:
    """The pixels of the thumbnail, in RGB, RGBA or L. It is ``Costly`` where it is judged to take more seconds of CPU
    time. The other arguments and errors are those of ``make``.
    """
    with refusing(limits), opened(file, limits) as image:
        first = image.images[0]
        sizes = measured(image, limits)
        plan = Plan.of(first.size, side, is_jpeg=first.format == "JPEG")
        needed = _cost(image, sizes, plan)
        needed.check(limits.memory_limit, limits.cpu_limit)
        if needed.seconds > seconds:
            raise Costly
        # The default image of an animated PNG is no frame unless the animation begins with it.
        first.seek(1 if getattr(first, "default_image", False) else 0)
        return render(first, plan, orientation_of(image))


def _cost(image: Opened, sizes: Sequence[Size], plan: Plan) -> Cost:
    """The cost of the first frame alone; its memory is that of all frames, which some decoders hold."""
    first, tile = image.images[0], image.found.tile
    if first.format == "JPEG":
        decoding = judged(first, "JPEG", sizes[:1], image.size // len(sizes), image.scans[:1], None)
    else:
        name = str(first.format)
        held = judged(first, name, sizes, image.size, (), tile)
        decoding = Cost(held.memory, judged(first, name, sizes[:1], image.size, (), tile).seconds)
    width, height = first.size
    pixels = width * height / plan.draft**2
    averaged = pixels / (plan.factors[0] * plan.factors[1])
    is_copied = first.format == "JPEG" or orientation_of(image) > 1
    return cost.thumbnail(decoding, pixels, averaged, plan.size[0] * plan.size[1], is_copied=is_copied)
