"""The process that decodes, with one mistake each: ``python hurried_child.py NAME SECONDS BYTES PIXELS``."""

import sys
from pathlib import Path
from typing import Any, BinaryIO

sys.path[0] = str(Path(__file__).parents[3])

from tests.kit.heic.child import Decoding, main  # noqa: E402


class HasNoTimeLimit(Decoding):
    def limit_time(self) -> None:
        return


class HasNoMemoryLimit(Decoding):
    def limit_memory(self) -> None:
        return

    def check_memory(self, pixels: int) -> None:
        return


class AsksTheKernelAlone(Decoding):
    """The library says of memory that it cannot have what it says of damage."""

    def check_memory(self, pixels: int) -> None:
        return


class ChecksNoPixels(Decoding):
    def check(self, frames: list[Any]) -> None:
        return


class BelievesTheHeader(Decoding):
    def decode(self, frame: Any) -> None:
        return


class ReadsTheFirstFrame(Decoding):
    def frames(self, heif: Any) -> list[Any]:
        return [heif[heif.primary_index]]


class HidesDamage(Decoding):
    """As ``LOAD_TRUNCATED_IMAGES`` has it: what can be shown is shown."""

    def failed(self, file: BinaryIO, error: Exception) -> dict[str, Any]:
        file.seek(0)
        try:
            heif = self.opened(file)
        except ValueError:
            return super().failed(file, error)
        return {"width": heif.size[0], "height": heif.size[1], "frames": len(heif)}


class OpensThePath(Decoding):
    def opened(self, file: BinaryIO) -> Any:
        return super().opened(Path(sys.argv[4]).open("rb"))


class ForgetsToTurnIt(Decoding):
    """The sides are those of the item, before it is turned (ISO/IEC 23008-12 section 6.5.10)."""

    def found(self, file: BinaryIO) -> dict[str, Any]:
        head = file.read(4096)
        file.seek(0)
        at = head.find(b"ispe") + 8
        width, height = (int.from_bytes(head[start : start + 4], "big") for start in (at, at + 4))
        return {**super().found(file), "width": width, "height": height}


if __name__ == "__main__":
    main(globals()[sys.argv.pop(1)])
