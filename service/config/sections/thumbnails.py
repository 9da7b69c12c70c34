"""The section about thumbnails."""

from pathlib import Path

from pydantic import Field

from ....plugins.options import PathOption
from ..fields import Seconds, Section


class ThumbnailsSettings(Section):
    """``[thumbnails]``: small copies of images."""

    enabled: bool = Field(
        True, description="Whether clients may read thumbnails. A detector that makes them, such as pillow, is needed."
    )
    directory: PathOption = Field(
        Path("lading-data/thumbnails"),
        description=(
            "Folder for the thumbnails that were made. Lading creates it, and makes the thumbnails again if you empty"
            " it. The processes of a machine share it."
        ),
    )
    cache_bytes: int = Field(
        1024**3,
        ge=1024**2,
        le=1024**5,
        description=(
            "Bytes that thumbnails may take up in the folder. Above that, Lading removes the thumbnails that were used"
            " longest ago."
        ),
    )
    keep: Seconds = Field(
        2_592_000,
        ge=60,
        le=31_536_000,
        description=(
            "Seconds after which Lading makes a thumbnail again. A thumbnail goes with its image, but may stay so long"
            " in the folder of another machine, where no client can read it."
        ),
    )
    concurrency: int = Field(
        256,
        ge=2,
        le=4096,
        description=(
            "Thumbnails that a process makes or sends at once. Lading answers further requests with status 503 and"
            " Retry-After. An issuer has half of them at most, so that others find room."
        ),
    )
