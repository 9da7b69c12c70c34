"""The process that decodes one file: ``python -I child.py SECONDS BYTES PIXELS``, with the file as its standard input.

It prints what it found as JSON, or ends by SIGPROF when the CPU time is spent.
"""

import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pillow_heif


class TooLarge(Exception):
    """More pixels than allowed."""


class Decoding:
    """Decodes within limits. The mistakes override one step each.

    Args:
        seconds: CPU time.
        memory: bytes beyond what the process has when it begins.
        pixels: of all frames together.
    """

    def __init__(self, seconds: float, memory: int, pixels: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self.pixels = pixels

    def limit(self) -> None:
        self.limit_memory()
        self.limit_time()

    def limit_memory(self) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + self.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def limit_time(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self.seconds)

    def opened(self, file: BinaryIO) -> Any:
        pillow_heif.options.DECODE_THREADS = 1
        return pillow_heif.open_heif(file, convert_hdr_to_8bit=False)

    def found(self, file: BinaryIO) -> dict[str, Any]:
        heif = self.opened(file)
        frames = self.frames(heif)
        self.check(frames)
        for frame in frames:
            self.decode(frame)
        width, height = heif.size
        return {"width": width, "height": height, "frames": len(frames)}

    def frames(self, heif: Any) -> list[Any]:
        return list(heif)

    def check(self, frames: list[Any]) -> None:
        sizes = [frame.size[0] * frame.size[1] for frame in frames]
        if sum(sizes) > self.pixels:
            raise TooLarge
        self.check_memory(max(sizes))

    def check_memory(self, pixels: int) -> None:
        """Ask before decoding: libde265 says of memory that it cannot have what it says of damage."""
        if pixels > self.memory:
            raise MemoryError

    def decode(self, frame: Any) -> None:
        frame.load()

    def told(self, file: BinaryIO) -> dict[str, Any]:
        self.limit()
        try:
            return self.found(file)
        except TooLarge:
            return {"error": "pixels"}
        except MemoryError:
            return {"error": "memory"}
        except (ValueError, RuntimeError, OSError, EOFError, SyntaxError) as error:
            return self.failed(file, error)

    def failed(self, file: BinaryIO, error: Exception) -> dict[str, Any]:
        return {"error": "memory" if str(error) == "Out of memory" else "corrupt", "text": str(error)}


def main(kind: type[Decoding]) -> None:
    decoding = kind(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(decoding.told(sys.stdin.buffer)))  # noqa: T201 - to the detector


if __name__ == "__main__":
    main(Decoding)
