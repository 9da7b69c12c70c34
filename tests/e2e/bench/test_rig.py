"""Turns and budgets, the processes' owners, what other programs print, and the databases that are filled."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bench import sizes
from bench.counting import read_callgrind, read_perf
from bench.filling import fill_sqlite, prepare, queued_of, total
from bench.images import make_small
from bench.processes import started, tree
from bench.rig import Mode, Rig
from bench.wrk import parse
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models.clock import SystemClock

WRK = """Running 2s test @ http://127.0.0.1:1/api/v1/imports
  1 threads and 32 connections
  Latency Distribution
     50%  950.00us
     75%    1.10ms
     99%    1.20s
  5000 requests in 2.00s, 1.00MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:   2500.50
Transfer/sec:      0.50MB
"""


def test_each_round_begins_with_another(tmp_path: Path) -> None:
    assert list(Rig(tmp_path, Mode.QUICK).turns(["a", "b"])) == ["a", "b", "b", "a", "a", "b"]


def test_no_round_is_begun_for_which_there_is_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig(tmp_path, Mode.FULL, ends=time.monotonic())
    assert list(rig.turns(["a", "b"])) == ["a", "b"]
    assert "there was time for 1 of 5 rounds" in capsys.readouterr().err


def test_what_wrk_prints() -> None:
    load = parse(WRK)
    assert (load.rate, load.answers, load.errors) == (2500.5, 5000, 7)
    assert (load.p50, load.p99) == pytest.approx((0.95, 1200))
    with pytest.raises(RuntimeError, match="something unexpected"):
        parse("unable to connect")


def test_what_counters_print() -> None:
    assert read_perf("1234;;instructions:u;1000;100.00;;") == 1234
    with pytest.raises(RuntimeError, match="<not supported>"):
        read_perf("<not supported>;;instructions:u;0;100.00;;")
    assert read_callgrind("events: Ir\nsummary: 55\n") == 55
    with pytest.raises(RuntimeError):
        read_callgrind("events: Ir\n")


def test_a_process_ends_with_its_block_and_so_does_what_it_started(tmp_path: Path) -> None:
    program = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('up', flush=True); sys.stdout.close()"
    program = f"{program}; import time; time.sleep(60)"
    log = tmp_path / "log"
    pids: list[int] = []

    def interrupted() -> None:
        with started([sys.executable, "-c", program], log=log) as process:
            while not log.exists() or "up" not in log.read_text():
                time.sleep(0.01)
            pids.extend(tree(process.pid))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 2
    # What was killed may still be in the table of processes, as a zombie that nobody has collected.
    for pid in pids:
        shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        assert shown.stdout.strip()[:1] in {"", "Z"}


def test_small_images_are_all_different(tmp_path: Path) -> None:
    paths = make_small(tmp_path, 20, 4000)
    assert len({(tmp_path / path[1:]).read_bytes() for path in paths}) == 20


def test_a_filled_database_is_one_that_the_store_reads(tmp_path: Path) -> None:
    path = tmp_path / "lading.sqlite3"
    prepare(SqliteDocumentStore(path, SystemClock()))
    assert fill_sqlite(path, 400, time.monotonic() + 60) == 400
    with closing(sqlite3.connect(path)) as connection:
        statuses = dict(connection.execute("SELECT status, count(*) FROM imports GROUP BY status").fetchall())
        assert statuses == {"queued": 400, "done": total(400) - 400}
        assert connection.execute("SELECT count(*) FROM import_metadata").fetchone() == (total(400),)
    found = {row.name: row for row in sizes.rows("SQLite", sizes.of_sqlite(path, 400, 100))}
    assert found["SQLite, imports"].values[0] > 100
    assert found["SQLite, a done import, all together"].values[0] > found["SQLite, imports"].values[0]


@pytest.mark.parametrize("queued", [4, 1000, 1_000_000])
def test_queued_and_done_make_the_total(queued: int) -> None:
    assert queued_of(total(queued)) == queued


def test_what_is_removed_is_emptied_and_set_aside(tmp_path: Path) -> None:
    """Inodes that were freed would be paid for by whoever is measured next."""
    rig = Rig(tmp_path / "rig")
    folder = rig.fresh("run")
    (folder / "below").mkdir()
    (folder / "below" / "image").write_bytes(b"image")
    inode = (folder / "below" / "image").stat().st_ino
    rig.remove("run")
    rig.remove("run")
    assert not folder.exists()
    (image,) = (tmp_path / "rig").glob("aside-*/below/image")
    assert (image.stat().st_ino, image.stat().st_size) == (inode, 0)
    assert list(rig.fresh("run").iterdir()) == []
