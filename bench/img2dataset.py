"""img2dataset, as it is fastest here: no resizing, no encoding, files.

    python -m bench.img2dataset BIN [--images 3000]

tells how fast it is with other numbers of processes and threads: see README.md, which says what was chosen and why.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.images import make_small
from bench.importing import Sample
from bench.origin import origin
from bench.processes import run

PROCESSES = os.cpu_count() or 1
THREADS = 64
SHARDS = 8


@dataclass(frozen=True, slots=True)
class Img2dataset:
    """One run.

    Attributes:
        whole: its whole process.
        alone: without its start-up: from the beginning of its first shard to the end of its last, as its own statistics
            say.
    """

    whole: Sample
    alone: Sample


def download(
    binary: Path, urls: Sequence[str], folder: Path, processes: int = PROCESSES, threads: int = THREADS
) -> Img2dataset:
    """Run it once.

    Args:
        binary: its command.
        urls: of the images.
        processes: of it.
        threads: of each process.
        folder: empty; for its files, and beside it, its list and log.

    Raises:
        RuntimeError: it failed.
    """
    listed = folder / "urls.txt"
    listed.write_text("\n".join(urls) + "\n", encoding="utf-8")
    output = folder / "output"
    output.mkdir()  # it does not make it with every version of fsspec
    options = {
        "url_list": listed,
        "output_folder": output,
        "output_format": "files",
        "resize_mode": "no",
        "disable_all_reencoding": True,
        "processes_count": processes,
        "thread_count": threads,
        "number_sample_per_shard": max(1, -(-len(urls) // SHARDS)),
        "retries": 0,
        "enable_wandb": False,
    }
    log = folder / "img2dataset.log"
    offline = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    began = time.monotonic()
    run([binary, *(f"--{name}={value}" for name, value in options.items())], offline, log)
    took = time.monotonic() - began
    shards = [json.loads(path.read_text()) for path in output.glob("*_stats.json")]
    if not shards:
        raise RuntimeError(f"img2dataset has no statistics: {log.read_text(errors='replace')[-500:]}")
    succeeded = sum(shard["successes"] for shard in shards)
    alone = max(shard["end_time"] for shard in shards) - min(shard["start_time"] for shard in shards)
    return Img2dataset(Sample(took, len(urls), succeeded), Sample(alone, len(urls), succeeded))


def main() -> None:
    """Try the combinations in turn, and print the rates."""
    parser = argparse.ArgumentParser(description="How fast img2dataset is with other numbers of processes and threads.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        root = directory / "root"
        root.mkdir()
        directory.chmod(0o755)
        paths = make_small(root, arguments.images)
        with origin(directory, root) as url:
            for turn in range(arguments.rounds):
                for processes in (1, 2, 4):
                    for threads in (16, 32, 64, 128):
                        folder = directory / f"{turn}-{processes}-{threads}"
                        folder.mkdir()
                        found = download(arguments.binary, [url + path for path in paths], folder, processes, threads)
                        print(
                            f"{processes} processes, {threads:3} threads: {found.whole.rate:6,.0f}/s,"
                            f" without start-up {found.alone.rate:6,.0f}/s",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
