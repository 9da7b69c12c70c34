"""The options of both plugins."""

from pydantic import Field

from lading.plugins import Names, PluginOptions


class DecodingOptions(PluginOptions):
    """Section ``[detect.heic]``: what decoding a file may cost."""

    max_pixels: int = Field(100_000_000, ge=1, description="Maximum pixels of all pictures of a file together.")
    cpu_seconds: float = Field(10, ge=0.1, le=3600, description="CPU time that decoding one file may take, in seconds.")
    memory_bytes: int = Field(
        1 << 30, ge=1 << 24, description="Memory that decoding one file may take, in bytes, beside the libraries' own."
    )
    processes: int = Field(2, ge=1, le=64, description="Files that are decoded at once, each in a process of its own.")


class ConversionOptions(DecodingOptions):
    """Section ``[process.heic]``: the same, and what becomes of the files."""

    quality: int = Field(90, ge=1, le=95, description="Quality of the JPEG files, as Pillow counts it.")
    keep_organizations: Names = Field((), description="Organisations whose HEIC files are stored as they came.")
    keep_albums: Names = Field((), description="Albums whose HEIC files are stored as they came.")
