"""What Lading's decoding process does with an image, without its confinement, which keeps callgrind from counting.

    python -m bench.decoder

Reads lines from standard input, each a number and a path, and answers each when the image is decoded.
"""

import sys
from pathlib import Path

from lading.plugins.detectors.pillow import decode
from lading.plugins.detectors.pillow.detector import PillowOptions


def main() -> None:
    """Decode what is asked for."""
    limits = PillowOptions(verify="pixels").limits
    decode.configure(limits)
    for line in sys.stdin:
        number, path = line.split()
        with Path(path).open("rb") as file:
            decode.recognise(file, limits)
        print(number, flush=True)


if __name__ == "__main__":
    main()
