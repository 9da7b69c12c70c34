"""The options of the detector: section ``[detect.svg]`` of ``service.conf``."""

from typing import Annotated

from pydantic import AfterValidator, Field

from lading.plugins import Names, PluginOptions
from lading_svg.embedded import SIGNATURES


def _known_types(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted({name.lower() for name in names} - SIGNATURES.keys())
    if unknown:
        raise ValueError(f"choose from {', '.join(SIGNATURES)}; not {', '.join(unknown)}")
    return tuple(name.lower() for name in names)


class SvgOptions(PluginOptions):
    """Limits, and the optional content of an SVG. You can switch off no limit, and no refusal of scripts, entities and
    external references.
    """

    max_bytes: int = Field(8 * 1024**2, ge=1, le=64 * 1024**2, description="Longest file, in bytes.")
    max_pixels: int = Field(50_000_000, ge=1, description="Maximum CSS pixels of the image.")
    max_side: int = Field(20_000, ge=1, description="Maximum CSS pixels of one side.")
    max_elements: int = Field(
        100_000, ge=1, le=1_000_000, description="Maximum elements, including elements that `use` repeats."
    )
    max_depth: int = Field(200, ge=1, le=10_000, description="Maximum nesting depth of elements.")
    max_attributes: int = Field(256, ge=8, le=1024, description="Maximum attributes of one element.")
    max_value: int = Field(
        1024**2, ge=64, le=4 * 1024**2, description="Maximum characters of one attribute, and of one style sheet."
    )
    max_name: int = Field(256, ge=32, le=1024, description="Maximum characters of a name or a namespace.")
    max_names: int = Field(
        2000, ge=100, le=10_000, description="Maximum number of different names of elements and attributes."
    )
    max_text: int = Field(
        4 * 1024**2, ge=0, le=64 * 1024**2, description="Maximum characters of all text and comments."
    )
    max_seconds: float = Field(10.0, gt=0, le=120, description="CPU time that reading one file may take, in seconds.")
    threads: int = Field(
        2, ge=1, le=32, description="Files that the detector reads at once, each in a thread. Other files wait."
    )
    embedded: Annotated[Names, AfterValidator(_known_types)] = Field(
        ("image/png", "image/jpeg", "image/gif", "image/webp"),
        description="Media types that data: URLs may have. Empty allows none.",
    )
    links: bool = Field(
        default=False, description="Whether `a` elements may link to http, https and mailto URLs. Nothing fetches them."
    )
