"""What decoding costs in each format, measured and judged: the table of docs/explanation/detection.md.

    python -m bench.decoding               # pictures of 12 megapixels, a minute or two
    python -m bench.decoding --side 1000   # smaller and quicker

Each picture is decoded in a process of its own, as a decoding process does it. Memory is the growth of its address
space, which is what ``memory_limit`` bounds; CPU time is all of the process's. A judged value below the measured one
means that the rates of ``lading.plugins.detectors.pillow.cost`` are to be raised.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image

from lading.plugins.detectors.pillow import decode, judgement
from lading.plugins.detectors.pillow.cost import Cost
from lading.plugins.detectors.pillow.detector import PillowOptions

MIB = 1 << 20


def picture(side: int, mode: str = "RGB") -> Image.Image:
    """A picture with coarse and fine detail, as a photo has."""
    bands = []
    for _ in Image.new(mode, (1, 1)).getbands():
        coarse = Image.effect_noise((side // 8, side // 8), 60).resize((side, side), Image.Resampling.BICUBIC)
        bands.append(Image.blend(coarse, Image.effect_noise((side, side), 12), 0.5))
    return Image.merge(mode, bands)


def samples(side: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and maker of each picture."""
    rgb, rgba = picture(side), picture(side, "RGBA")
    small = [picture(side // 4) for _ in range(4)]

    def kind(image: Image.Image, format_: str, **options: Any) -> Callable[[], bytes]:
        def make() -> bytes:
            body = io.BytesIO()
            image.save(body, format_, **options)
            return body.getvalue()

        return make

    moving = {"save_all": True, "append_images": small[1:]}
    yield "JPEG, baseline", kind(rgb, "JPEG", quality=85)
    yield "JPEG, progressive 4:2:0", kind(rgb, "JPEG", quality=85, progressive=True)
    yield "JPEG, progressive 4:4:4", kind(rgb, "JPEG", quality=95, progressive=True, subsampling=0)
    yield "JPEG, progressive CMYK", kind(rgb.convert("CMYK"), "JPEG", quality=95, progressive=True)
    yield "PNG", kind(rgba, "PNG", compress_level=1)
    yield "PNG, animated", kind(small[0], "PNG", compress_level=1, **moving)
    yield "GIF", kind(rgb.quantize(256), "GIF")
    yield "GIF, animated", kind(small[0], "GIF", **moving)
    yield "WebP, lossy", kind(rgb, "WEBP", method=0)
    yield "WebP, lossless", kind(rgb, "WEBP", lossless=True, method=0, quality=0)
    yield "TIFF, uncompressed", kind(rgb, "TIFF")
    yield "TIFF, LZW in strips", kind(rgb, "TIFF", compression="tiff_lzw")
    yield "TIFF, LZW in one strip", kind(rgb, "TIFF", compression="tiff_lzw", tiffinfo={278: side})
    yield "BMP", kind(rgb, "BMP")
    yield "AVIF, 4:2:0", kind(rgb, "AVIF", speed=10)
    yield "AVIF, 4:4:4 with transparency", kind(rgba, "AVIF", speed=10, subsampling="4:4:4")
    yield "JPEG 2000, lossless", kind(rgb, "JPEG2000")
    yield "JPEG 2000, tiles of 512 x 512", kind(rgb, "JPEG2000", tile_size=(512, 512))


def measured(path: Path) -> dict[str, float]:
    """Decode the file in this process: megapixels, and memory and CPU time as they were and as they were judged."""
    limits = PillowOptions(memory_limit=1 << 40, cpu_limit=10**6).limits
    decode.configure(limits)
    judged: list[Cost] = []

    def spy(*arguments: Any) -> Cost:
        judged.append(judgement.judged(*arguments))
        return judged[-1]

    memory, seconds = _address_space(), _cpu_seconds()
    with path.open("rb") as file, mock.patch.object(decode, "judged", spy):
        found = decode.recognise(file, limits)
    return {
        "pixels": found.width * found.height * found.frames,
        "bytes": path.stat().st_size,
        "memory": _address_space() - memory,
        "judged_memory": judged[0].memory,
        "seconds": _cpu_seconds() - seconds,
        "judged_seconds": judged[0].seconds,
    }


def _address_space() -> int:
    """The largest address space that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmPeak:")[2].split()[0]) * 1024


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure all, or one file."""
    parser = argparse.ArgumentParser(description="What decoding costs in each format.")
    parser.add_argument("--side", type=int, default=3464, help="pixels of a side")
    parser.add_argument("--one", type=Path, help="measure this file in this process, and print JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one)))
        return
    print("| picture | megapixels | file, MiB | memory, MiB | judged | CPU, s | judged |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        for name, make in samples(arguments.side):
            path.write_bytes(make())
            command = (sys.executable, "-m", "bench.decoding", "--one", str(path))
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - itself
            sizes = (found["pixels"] / 1e6, *(found[key] / MIB for key in ("bytes", "memory", "judged_memory")))
            cells = [*(f"{value:.1f}" for value in sizes), f"{found['seconds']:.2f}", f"{found['judged_seconds']:.2f}"]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
