"""``lading bulk``: a list becomes imports, each row once, through faults, stops and kills."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lading.client import Client
from tests.client.conftest import ALBUM, Place
from tests.client.terminal.conftest import Run
from tests.client.terminal.test_interrupted import PATIENCE, on_terminal, shown
from tests.support.servers.cutting_proxy import CuttingProxy, Harm


def ndjson(path: Path, entries: Sequence[Mapping[str, Any] | str]) -> str:
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path.name


def good(place: Place, name: str, number: int) -> dict[str, Any]:
    return {"url": place.photo, "filename": f"{name}-{number:04}.jpg"}


def summary(output: str) -> Mapping[str, Any]:
    return json.loads(output.splitlines()[-1])["summary"]  # type: ignore[no-any-return]


def imported(place: Place, environ: Mapping[str, str], name: str) -> Counter[str]:
    """How many imports there are of each file name that begins like this."""
    with Client(place.url, environ["LADING_TOKEN"]) as client:
        found = (str(one.params.get("filename")) for one in client.iter_imports(album_id=ALBUM))
        return Counter(one for one in found if one.startswith(f"{name}-"))


def each_once(name: str, count: int) -> dict[str, int]:
    return {f"{name}-{number:04}.jpg": 1 for number in range(count)}


def test_rows_that_fail_are_told_and_the_others_are_imported(
    run: Run, place: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    entries: list[Mapping[str, Any] | str] = [
        *(good(place, "faulty", number) for number in range(5)),
        "{",
        {"url": "ftp://a.example/x.jpg"},
        {"url": place.page, "metadata": {"n": "7"}},
        {"url": f"{place.origin}/missing.jpg"},
    ]
    command = ("bulk", ndjson(tmp_path / "list.ndjson", entries), "--album", ALBUM, "--batch-size", "4")
    ended = run(*command, "--failures", "failed.ndjson")
    assert ended.status == 1
    assert "Row 6: it is no JSON: '{'." in ended.stderr
    assert "9 rows: 5 imported, 4 failed." in ended.stderr
    for code in ("row_invalid", "url_scheme_not_allowed", "not_an_image", "origin_not_found"):
        assert f"  1 {code}" in ended.stderr
    failed = [json.loads(line) for line in (tmp_path / "failed.ndjson").read_text().splitlines()]
    assert {one["url"] for one in failed} == {"ftp://a.example/x.jpg", place.page, f"{place.origin}/missing.jpg"}
    assert {one["album_id"] for one in failed} == {ALBUM}
    again = run(*command, "--json")
    assert (again.status, summary(again.stdout)["done"]) == (1, 5)
    assert imported(place, environ, "faulty") == each_once("faulty", 5)
    retried = run("bulk", "failed.ndjson", "--album", ALBUM, "--json")
    assert summary(retried.stdout) == {
        "rows": 3,
        "accepted": 2,
        "refused": 1,
        "done": 0,
        "failed": 2,
        "cancelled": 0,
        "unknown": 0,
        "failures": {"not_an_image": 1, "origin_not_found": 1, "url_scheme_not_allowed": 1},
    }


def test_after_kills_each_row_is_imported_once(run: Run, place: Place, environ: dict[str, str], tmp_path: Path) -> None:
    check_killed(run, place, environ, tmp_path, rows=120, kills=3)


@pytest.mark.long_form
def test_after_many_kills_each_of_many_rows_is_imported_once(
    run: Run, place: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    check_killed(run, place, environ, tmp_path, rows=3000, kills=25)


def check_killed(run: Run, place: Place, environ: dict[str, str], tmp_path: Path, *, rows: int, kills: int) -> None:
    """Kill the command whenever its journal has grown, then run it to its end."""
    name = f"killed{rows}"
    listed = ndjson(tmp_path / "list.ndjson", [good(place, name, number) for number in range(rows)])
    command = ("bulk", listed, "--album", ALBUM, "--batch-size", "5", "--concurrency", "3")
    for kill in range(kills):
        with on_terminal(tmp_path, environ, *command) as (process, terminal):
            shown(terminal, process, (kill + 1) * rows // (kills + 2))
    ended = run(*command, "--json")
    assert (ended.status, ended.stderr) == (0, "")
    assert (summary(ended.stdout)["rows"], summary(ended.stdout)["done"]) == (rows, rows)
    assert imported(place, environ, name) == each_once(name, rows)


def test_a_part_whose_answer_was_lost_is_imported_once(
    run: Run, place: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    """The journal of a command that was killed between the answer and its note of it."""
    listed = ndjson(tmp_path / "list.ndjson", [good(place, "lost", number) for number in range(6)])
    command = ("bulk", listed, "--album", ALBUM, "--batch-size", "3", "--json")
    assert run(*command, "--no-wait").status == 0
    with sqlite3.connect(tmp_path / "list.ndjson.journal") as database:
        for table in ("part", "batch"):
            database.execute(f"DELETE FROM {table}")  # names above
    database.close()
    ended = run(*command)
    assert (ended.status, summary(ended.stdout)["done"]) == (0, 6)
    assert imported(place, environ, "lost") == each_once("lost", 6)


def test_a_connection_that_breaks_loses_nothing(
    run: Run, place: Place, environ: dict[str, str], proxy: CuttingProxy, tmp_path: Path
) -> None:
    listed = ndjson(tmp_path / "list.ndjson", [good(place, "cut", number) for number in range(80)])
    cut = [Harm(answer_bytes=size) for size in (0, 100, 400, 700)]
    proxy.harm("POST /api/v1/imports/batch", *cut, Harm(request_bytes=300))
    proxy.harm("GET /api/v1/batches/", Harm(answer_bytes=100))
    ended = run("bulk", listed, "--album", ALBUM, "--batch-size", "10", "--json", LADING_URL=proxy.url)
    assert (ended.status, summary(ended.stdout)["done"]) == (0, 80)
    assert proxy.is_done
    assert imported(place, environ, "cut") == each_once("cut", 80)


def test_ctrl_c_stops_it_and_the_terminal_shows_how_far_it_is(
    run: Run, place: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    listed = ndjson(tmp_path / "list.ndjson", [good(place, "stopped", number) for number in range(60)])
    command = ("bulk", listed, "--album", ALBUM, "--batch-size", "2", "--concurrency", "1")
    with on_terminal(tmp_path, environ, *command) as (process, terminal):
        shown(terminal, process, 10)
        process.send_signal(signal.SIGINT)
        text = shown(terminal, process)
        assert process.wait(PATIENCE) == 130
    assert "Stopped. Run the same command again to go on." in text
    assert all(len(line) <= 80 for line in text.replace("\r", "\n").splitlines() if "━" in line)
    assert run(*command).status == 0
    assert imported(place, environ, "stopped") == each_once("stopped", 60)


def test_parquet_and_standard_input(run: Run, place: Place, environ: dict[str, str], tmp_path: Path) -> None:
    names = [f"parquet-{number:04}.jpg" for number in range(3)]
    table = {"URL": [place.photo] * 3, "filename": names, "TEXT": ["a cat", "a dog", None]}
    pq.write_table(pa.table(table), tmp_path / "list.parquet")
    ended = run("bulk", "list.parquet", "--album", ALBUM, "--metadata-column", "TEXT")
    assert (ended.status, ended.stderr) == (0, "3 rows: 3 imported, 0 failed.\n")
    assert imported(place, environ, "parquet") == each_once("parquet", 3)
    with Client(place.url, environ["LADING_TOKEN"]) as client:
        found = {one.params.get("filename"): one.params.get("metadata") for one in client.iter_imports(album_id=ALBUM)}
    assert [found[name] for name in names] == [{"TEXT": "a cat"}, {"TEXT": "a dog"}, None]
    piped = json.dumps(good(place, "piped", 0)) + "\n"
    assert run("bulk", "-", "--album", ALBUM, "--journal", "j", stdin=piped).status == 0
    assert imported(place, environ, "piped") == each_once("piped", 1)


@pytest.fixture
def begun(run: Run, place: Place, tmp_path: Path) -> str:
    """A list of one row that was sent."""
    listed = ndjson(tmp_path / "list.ndjson", [{"url": place.photo}])
    assert run("bulk", listed, "--album", ALBUM).status == 0
    return listed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--album", "other"), "was begun with the parameters"),
        (("--album", ALBUM, "--batch-size", "7"), "was begun with --batch-size 500, and this is 7."),
        (("--album", ALBUM, "--journal", "list.ndjson"), "list.ndjson is no journal."),
    ],
)
def test_a_journal_belongs_to_its_list(run: Run, begun: str, arguments: Sequence[str], told: str) -> None:
    ended = run("bulk", begun, *arguments)
    assert (ended.status, told in ended.stderr) == (2, True), ended.stderr


def test_a_list_that_has_changed_is_refused(run: Run, begun: str, tmp_path: Path) -> None:
    with (tmp_path / begun).open("a") as file:
        file.write("{}\n")
    ended = run("bulk", begun, "--album", ALBUM)
    assert (ended.status, "was begun with the list" in ended.stderr) == (2, True)


def test_a_list_whose_columns_are_wrong_can_be_given_again(run: Run, place: Place, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"link,n\n{place.photo},1\n", encoding="utf-8")
    command = ("bulk", "list.csv", "--album", ALBUM)
    refused = run(*command, "--url-column", "link")
    assert (refused.status, refused.stderr.splitlines()[-1]) == (
        2,
        "Error: column 'n' is no parameter: give --metadata-column n, or --ignore-columns",
    )
    assert "Stopped" not in refused.stderr
    assert run(*command, "--url-column", "link", "--metadata-column", "n", "--batch-size", "7").status == 0


@pytest.fixture
def waiting(environ: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A bulk whose standard input gives nothing more."""
    command = [sys.executable, "-P", "-m", "lading", "bulk", "-", "--album", ALBUM, "--journal", "j"]
    command += ["--batch-size", "1"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_pipe_that_gives_nothing_can_be_stopped_and_a_journal_has_one_user(
    run: Run, place: Place, environ: dict[str, str], waiting: "subprocess.Popen[bytes]"
) -> None:
    assert waiting.stdin is not None
    waiting.stdin.write(json.dumps(good(place, "waiting", 0)).encode() + b"\n")
    waiting.stdin.flush()
    while not imported(place, environ, "waiting"):
        assert waiting.poll() is None
        time.sleep(0.1)
    other = run("bulk", "-", "--album", ALBUM, "--journal", "j", stdin="")
    assert (other.status, "Another process works with j." in other.stderr) == (2, True), other.stderr
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(PATIENCE) == 130


def test_a_pipe_that_never_gives_a_line_can_be_stopped(waiting: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    while not (tmp_path / "j").exists() or not catches_signals(waiting.pid):
        assert waiting.poll() is None
        time.sleep(0.05)
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(PATIENCE) == 130


def catches_signals(pid: int) -> bool:
    """Whether the event loop handles SIGTERM by now; see proc(5), SigCgt."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_service_that_does_not_answer(run: Run, tmp_path: Path) -> None:
    listed = ndjson(tmp_path / "list.ndjson", [{"url": "http://a.example/a.jpg"}])
    ended = run("bulk", listed, "--patience", "0", LADING_URL="http://127.0.0.1:9")
    assert ended.status == 3
    assert "0 rows: 0 imported, 0 failed." in ended.stderr
