"""Imports a second from the first POST to the last ``done``, against what else downloads many images.

    python -m bench.pipeline --img2dataset BIN [--images 10000] [--rounds 5] [--directory DIR] [--only NAME ...]

The images are JPEGs of about 45 KB behind an nginx on loopback; everything is written to files below ``--directory``.
In each round take turns: curl (``--parallel``, the floor: no check, no record), img2dataset (no resizing, no encoding,
files; its own environment, where ``BIN`` is), a script of requests and Pillow in threads, and Lading with SQLite, in
which every import is a line of a batch, an authorised and durable document, a checked image, and a synced file. Each
row is the median of the rounds; the ratio is to img2dataset's, start-up included.
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.origin import make_images, origin
from bench.serving import free_port, listening, tool
from tests.support.service import CONF, environment, token

PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run did.

    Attributes:
        seconds: how long it took.
        succeeded: images that were stored.
    """

    seconds: float
    succeeded: int


@dataclass(frozen=True, slots=True)
class Rig:
    """What every competitor is given."""

    urls: Sequence[str]
    directory: Path
    img2dataset: str

    def fresh(self, name: str) -> Path:
        """An empty folder."""
        folder = self.directory / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def curl(rig: Rig) -> Sample:
    """The floor: downloads alone."""
    folder = rig.fresh("curl")
    config = rig.directory / "curl.conf"
    lines = [f'url = "{url}"\noutput = "{folder}/{number}"\n' for number, url in enumerate(rig.urls)]
    config.write_text("".join(lines), encoding="utf-8")
    command = [tool("curl"), "--silent", "--parallel", "--parallel-max", "64", "--config", str(config)]
    began = time.monotonic()
    subprocess.run(command, check=True)  # noqa: S603  # our own
    return Sample(time.monotonic() - began, len(list(folder.iterdir())))


def img2dataset(rig: Rig) -> Sample:
    """With its start-up."""
    return _img2dataset(rig)[0]


def img2dataset_alone(rig: Rig) -> Sample:
    """Without its start-up: the time that its own statistics name."""
    return _img2dataset(rig)[1]


def _img2dataset(rig: Rig) -> tuple[Sample, Sample]:
    folder = rig.fresh("img2dataset")
    urls = rig.directory / "urls.txt"
    urls.write_text("\n".join(rig.urls) + "\n", encoding="utf-8")
    options = {
        "url_list": urls,
        "output_folder": folder,
        "output_format": "files",
        "resize_mode": "no",
        "disable_all_reencoding": True,
        "processes_count": 2,
        "thread_count": 64,
        "number_sample_per_shard": max(1, len(rig.urls) // 8),
        "retries": 0,
        "enable_wandb": False,
    }
    command = [rig.img2dataset, *(f"--{name}={value}" for name, value in options.items())]
    environ = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    began = time.monotonic()
    subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    took = time.monotonic() - began
    shards = [json.loads(path.read_text()) for path in folder.glob("*_stats.json")]
    succeeded = sum(shard["successes"] for shard in shards)
    alone = max(shard["end_time"] for shard in shards) - min(shard["start_time"] for shard in shards)
    return Sample(took, succeeded), Sample(alone, succeeded)


def script(rig: Rig) -> Sample:
    """requests and Pillow in threads."""
    folder = rig.fresh("script")
    urls = rig.directory / "urls.txt"
    urls.write_text("\n".join(rig.urls) + "\n", encoding="utf-8")
    command = [sys.executable, str(Path(__file__).with_name("threads_script.py")), str(urls), str(folder)]
    began = time.monotonic()
    subprocess.run(command, check=True)  # noqa: S603  # our own
    return Sample(time.monotonic() - began, len(list(folder.iterdir())))


def lading(verify: str, processes: int) -> Callable[[Rig], Sample]:
    """Lading, from the first POST to the last document that is done."""

    def run(rig: Rig) -> Sample:
        folder = rig.fresh("lading")
        port = free_port()
        conf = folder / "service.conf"
        conf.write_text(CONF.replace("port = 0", f"port = {port}"), encoding="utf-8")
        overrides = {
            "LADING_SERVICE__PORT": str(port),
            "LADING_SERVICE__PROCESSES": str(processes),
            "LADING_SERVICE__LOG_LEVEL": "warning",
            "LADING_WORKER__PER_ISSUER": "64",
            "LADING_WORKER__PER_HOST": "64",
            "LADING_DETECT_PILLOW__VERIFY": verify,
        }
        database = folder / "lading.sqlite3"
        batch = rig.directory / "batch.ndjson"
        lines = (json.dumps({"album_id": "album", "url": url}) + "\n" for url in rig.urls)
        batch.write_text("".join(lines), encoding="utf-8")
        command = [tool("curl"), "--silent", "--fail", "--upload-file", str(batch), "--request", "POST"]
        command += [
            "--header",
            f"Authorization: Bearer {token(admin=True)}",
            "--header",
            "Content-Type: application/x-ndjson",
        ]
        command += [f"http://127.0.0.1:{port}/api/v1/imports/batch"]
        with listening(["service", "serve", "--config", str(conf)], port, environment(folder, **overrides)):
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as posting:  # noqa: S603  # our own
                _wait_until_final(database, len(rig.urls))
                took = time.monotonic() - began
                if posting.wait(PATIENCE):
                    raise RuntimeError("the batch was not accepted")
        with closing(sqlite3.connect(database)) as connection:
            (succeeded,) = connection.execute("SELECT count(*) FROM imports WHERE status = 'done'").fetchone()
        return Sample(took, succeeded)

    return run


def _wait_until_final(database: Path, count: int) -> None:
    give_up = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        while time.monotonic() < give_up:
            (final,) = connection.execute(
                "SELECT count(*) FROM imports INDEXED BY imports_done WHERE status = 'done'"
            ).fetchone()
            (failed,) = connection.execute("SELECT count(*) FROM imports WHERE status = 'failed'").fetchone()
            if final + failed >= count:
                return
            time.sleep(0.1)
    raise RuntimeError("the imports did not all become final")


COMPETITORS: Mapping[str, Callable[[Rig], Sample]] = {
    "curl": curl,
    "img2dataset": img2dataset,
    "img2dataset, without start-up": img2dataset_alone,
    "requests and Pillow": script,
    "lading, structure": lading("structure", 1),
    "lading, structure, 2 processes": lading("structure", 2),
    "lading, every frame": lading("pixels", 1),
    "lading, every frame, 2 processes": lading("pixels", 2),
}


def main() -> None:
    """Read the command line, measure, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--img2dataset", required=True, help="its command")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--only", nargs="+", default=list(COMPETITORS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)
        (directory / "origin").mkdir()
        paths = make_images(directory / "origin", arguments.images)
        with origin(directory, directory / "origin") as url:
            rig = Rig([url + path for path in paths], directory, arguments.img2dataset)
            samples: dict[str, list[Sample]] = {name: [] for name in arguments.only}
            for _ in range(arguments.rounds):
                for name, found in samples.items():
                    found.append(COMPETITORS[name](rig))
                    print(f"{name}: {arguments.images / found[-1].seconds:,.0f}/s", file=sys.stderr, flush=True)
    report(arguments.images, samples)


def report(images: int, samples: Mapping[str, Sequence[Sample]]) -> None:
    """Print the rows."""
    rates = {name: sorted(images / one.seconds for one in found) for name, found in samples.items()}
    reference = statistics.median(rates.get("img2dataset", next(iter(rates.values()))))
    for name, found in samples.items():
        rate = statistics.median(rates[name])
        share = min(one.succeeded for one in found) / images
        print(
            f"{name:34} {rate:7,.0f}/s ({rates[name][0]:,.0f} to {rates[name][-1]:,.0f}), ratio {rate / reference:.2f},"
            f" {share:.2%} stored"
        )


if __name__ == "__main__":
    main()
