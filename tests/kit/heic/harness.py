"""What the kit asks of the author of the HEIC detector."""

import base64
import io
import zlib
from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Final

import pillow_heif
from PIL import Image

from lading.plugins import TypeDetector
from lading.plugins.errors import ImageCorrupt, NotAnImage, TooManyPixels
from lading.plugins.testing import Cost, Costly, Refused, Sample, TypeDetectorSuite, images
from tests.kit.heic.detector import HeicDetector, HeicOptions

_LARGE: Final = (
    rb"c-rmQziSg=9LMqJxr@07{)k%Xpo?`8kz&PF2%1Sj&{@HFNyr0t&6%bWw-i?=H?g)@aLXi41)+nZ2ug8LaB=J)C>XF%pG#Un{{Z<|"
    rb"-`~63^L?KChP>{9CzqTt=6JJvFKabi&-h4Pb0*JIS8Ez$uceJ{&5YwjtDbbWbCbEaYyOBSm$c(NsaA~jn-4obZjI^u@Q0Jm%{E8f"
    rb"eDtXAG=lA3>ux-grw20EO@EcVby+9#?Q@sKZQsuOvP-s5^6Bz0FM9XIY;F#HdN91@-!WOS`|Q?MUJ#BdLSM2PRBHa*>5JC>eqzmb"
    rb"OJ;hZv3m9LmB&Fob}l~z<=eizShZ_+?jQD_aU^aho!L0)`O*ER*!M#dZZ2z#FKoI$e&zC>8^Lqlq|4Hsne&rTSO~&`F>_&Bulb4V"
    rb"d_QFe<;u;{vz4dIOG{67V)37e{viAG=<H}7b$5F~9B9nmmOAlkUt9Q6+jpoe%}XlM3;39{?t`)}xGt@GD6M<1tP7{4bxmpAinQ*H"
    rb"u&ywnjJu(Xd!dZ`CXCy2Mj2OE#w{x2)`fA!f-+8dK@^o2L~)>ud!>xq5XMEyt2H{WjH@c+l)p-%L>c!$8K?ZKBvQUZM9TjmBIVmx"
    rb"^jaCW4sJK%K7!kgxX;SC4RGN8GEVv7VKf8>4jede;J|?c2M!!KaNxj!0|yQqIB?*=fddB)95`^`z<~n?4jede;J|?c2M!!KaNxj!"
    rb"0|yQqIB?*=fddB)95`^`z<~n?4jede;J|?c2M!!KaNxj!`_FKt(od^0(F*"
)
"""A grey picture of 11904 x 11904, the largest that x265 encodes, which takes seconds."""
MIB: Final = 1024 * 1024
LIMITED: Final = {
    Cost.SLOW: HeicOptions(pixels=200_000_000, seconds=0.1),
    Cost.GREEDY: HeicOptions(pixels=200_000_000, memory=96 * MIB),
}


def heic(*frames: Image.Image, **parameters: object) -> bytes:
    """A file of these frames."""
    file = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    for frame in frames:
        file.add_from_pillow(frame)
    written = io.BytesIO()
    file.save(written, quality=60, **parameters)
    return written.getvalue()


@cache
def files() -> dict[str, bytes]:
    """Files by name. Call it first outside a case: the encoder's threads are not the detector's."""
    plain = Image.linear_gradient("L").resize((128, 64)).convert("RGB")
    sides = _sides(128, 64)
    small = heic(plain)
    assert small.count(sides) == 1
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "plain": small,
        "turned": heic(plain, exif=exif.tobytes()),
        "moving": heic(plain, plain.rotate(90), plain.rotate(180)),
        "bomb": small.replace(sides, _sides(30_000, 30_000)),
        "costly": zlib.decompress(base64.b85decode(_LARGE)),
    }


def _sides(width: int, height: int) -> bytes:
    """The property of the sides (ISO/IEC 23008-12 section 6.5.3)."""
    return b"ispe" + bytes(4) + width.to_bytes(4, "big") + height.to_bytes(4, "big")


class HeicHarness(TypeDetectorSuite):
    detector: ClassVar[type[HeicDetector]] = HeicDetector
    cost: Cost

    def make_detector(self) -> TypeDetector:
        return self.detector(HeicOptions())

    def make_limited(self) -> TypeDetector:
        return self.detector(LIMITED[self.cost])

    def samples(self) -> Sequence[Sample]:
        return [
            Sample("plain", files()["plain"], "HEIC", "image/heic", 128, 64),
            Sample("turned", files()["turned"], "HEIC", "image/heic", 64, 128),
            Sample("moving", files()["moving"], "HEIC", "image/heic", 128, 64, frames=3),
        ]

    def refused(self) -> Sequence[Refused]:
        return [
            Refused("cut-off", files()["plain"][:-1], ImageCorrupt),
            Refused("bomb", files()["bomb"], TooManyPixels),
            Refused("avif", images.sample("avif").data, NotAnImage),
        ]

    def costly(self, cost: Cost) -> Costly | None:
        self.cost = cost
        return Costly(files()["costly"], seconds=0.5, memory=(200 if cost is Cost.GREEDY else 1024) * MIB)
