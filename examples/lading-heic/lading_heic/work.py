"""The process that decodes one file: a program, which imports nothing of Lading or of this package.

Its standard input is the file. Its argument is JSON: the limits, and the descriptor of the output if a JPEG file is to
be written. It prints one line of JSON: what it found, or ``{"failed": WHY}``. It ends by SIGPROF when its CPU time is
spent.
"""

import ctypes
import io
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image

BYTES_A_PIXEL = 8
"""What decoding needs: planes of 8 or 16 bits, twice where a picture has tiles, and the samples of all bands."""
MAX_OPEN_FILES = 32
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The file is refused; the message is the reason."""


def confine(limits: dict[str, Any]) -> None:
    """Give up memory, CPU time and sizes of files beyond the limits, and end with the thread that started this."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = pages * resource.getpagesize() + limits["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    most = limits.get("max_bytes", 1024)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    signal.setitimer(signal.ITIMER_PROF, limits["cpu_seconds"])


def opened(limits: dict[str, Any]) -> Any:
    """The pictures of the file, none of which is decoded."""
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    heif = pillow_heif.open_heif(sys.stdin.buffer)
    sizes = [picture.size[0] * picture.size[1] for picture in heif]
    if sum(sizes) > limits["max_pixels"]:
        raise Failed("pixels")
    # Asked before: the decoder calls memory that it cannot have damage.
    if max(sizes) * BYTES_A_PIXEL > limits["memory_bytes"]:
        raise Failed("memory")
    return heif


def found(limits: dict[str, Any]) -> dict[str, Any]:
    """Decode every picture, and describe the file."""
    heif = opened(limits)
    for picture in heif:
        picture.load()
    width, height = heif.size
    return {"width": width, "height": height, "frames": len(heif)}


def converted(limits: dict[str, Any]) -> dict[str, Any]:
    """Write the primary picture as JPEG, upright, with its Exif and its colour profile."""
    heif = opened(limits)
    image = heif[heif.primary_index].to_pillow()
    kept = {name: image.info[name] for name in ("exif", "icc_profile", "xmp") if image.info.get(name)}
    if image.mode in ("RGBA", "LA", "RGBa", "La"):
        background = Image.new("RGB", image.size, "white")
        background.paste(image, mask=image.getchannel("A"))
        image = background
    elif image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    body = io.BytesIO()
    image.save(body, "JPEG", quality=limits["quality"], **kept)
    if len(body.getvalue()) > limits["max_bytes"]:
        raise Failed("output")
    with os.fdopen(limits["output"], "wb") as output:
        output.write(body.getvalue())
    return {"written": len(body.getvalue())}


def main() -> None:
    """Do what the argument says."""
    limits = json.loads(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever a library prints
    try:
        confine(limits)
        told = converted(limits) if "output" in limits else found(limits)
    except Failed as error:
        told = {"failed": str(error)}
    except MemoryError:
        told = {"failed": "memory"}
    except Exception as error:  # noqa: BLE001 - hostile files draw many classes out of the libraries
        told = {"failed": "memory" if str(error) == "Out of memory" else "corrupt"}
    answer.write(json.dumps(told) + "\n")
    answer.flush()


if __name__ == "__main__":
    main()
