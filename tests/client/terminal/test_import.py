"""``lading import``."""

import json
import os
from datetime import timedelta
from pathlib import Path

from lading.client import Client
from lading.plugins.testing.images import jpeg
from tests.client.conftest import ALBUM, Place
from tests.client.terminal.conftest import Run, words
from tests.support.servers.service import token


def test_a_folder_again_and_its_failures(run: Run, pictures: Path, tmp_path: Path) -> None:
    command = ("import", "pictures", "--album", ALBUM, "--metadata", "by=me", "--failures", "failed.ndjson")
    first = run(*command)
    assert first.status == 1, first
    assert first.stderr == f"3 of 5 imported, 2 failed; {sum(len(one) for one in contents(pictures)) / 1000:.1f} kB.\n"
    assert [(line[0], line[2], *line[3:]) for line in words(first.stdout)] == [
        ("done", "pictures/a.jpg"),
        ("done", "pictures/b.jpg"),
        ("failed", "pictures/broken.jpg", "not_an_image: The bytes are not an image of a known format."),
        ("failed", "pictures/empty.jpg", "file_empty: The file is empty."),
        ("done", "pictures/more/c.jpg"),
    ]
    failed = [json.loads(line) for line in (tmp_path / "failed.ndjson").read_text().splitlines()]
    assert {Path(one["file"]).name: one["error"]["code"] for one in failed} == {
        "broken.jpg": "not_an_image",
        "empty.jpg": "file_empty",
    }
    assert words(run(*command).stdout) == words(first.stdout), "the same command imports nothing twice"
    again = run("import", "failed.ndjson", "--json")
    assert (again.status, json.loads(again.stdout.splitlines()[-1])["summary"]["failed"]) == (1, 2)
    imports = {json.loads(line).get("import_id") for line in again.stdout.splitlines()} - {None}
    assert imports.isdisjoint(one["error"]["import_id"] for one in failed), "what failed is tried again"


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("?.jpg")]


def test_the_images_are_the_files(run: Run, pictures: Path, place: Place, environ: dict[str, str]) -> None:
    command = ("import", str(pictures / "a.jpg"), "--album", ALBUM, "--metadata", "by=me")
    lines = words(run(*command).stdout)
    with Client(place.url, environ["LADING_TOKEN"]) as client:
        document = client.get_import(lines[0][1])
        assert document.image_id is not None
        assert client.read_image(document.image_id) == (pictures / "a.jpg").read_bytes()
        assert (document.params["filename"], document.params["metadata"]) == ("a.jpg", {"by": "me"})
        client.delete_import(document.id)
    assert (
        words(run("import", str(pictures / "a.jpg"), "--album", ALBUM, "--metadata", "by=me").stdout)[0][1]
        != lines[0][1]
    )


def test_urls_of_all_kinds_of_lists(run: Run, place: Place, tmp_path: Path) -> None:
    (tmp_path / "links.txt").write_text(f"{place.photo}?text\n")
    (tmp_path / "links.csv").write_text(f"url,filename\n{place.photo}?csv,b.jpg\n")
    (tmp_path / "links.ndjson").write_text(json.dumps({"url": f"{place.photo}?ndjson"}))
    command = ("import", f"{place.photo}?word", "links.txt", "links.csv", "links.ndjson", "-", "--album", ALBUM)
    first = run(*command, stdin=f"{place.page}\nftp://x.example/a\n")
    assert first.status == 1
    assert [(line[0], line[2].rpartition("/")[2], *line[3:]) for line in words(first.stdout)] == [
        ("failed", "a", words(first.stdout)[0][3]),
        ("failed", "page.html", words(first.stdout)[1][3]),
        *(("done", f"photo.jpg?{kind}") for kind in ("csv", "ndjson", "text", "word")),
    ]
    second = run(*command, stdin=f"{place.page}\nftp://x.example/a\n")
    assert words(second.stdout)[2:] == words(first.stdout)[2:], "the same batch is replayed"
    anew = run(*command, "--again", stdin=f"{place.page}\nftp://x.example/a\n")
    assert {line[1] for line in words(anew.stdout)[1:]}.isdisjoint({line[1] for line in words(first.stdout)})


def test_links_that_failed_are_tried_again(run: Run, place: Place, tmp_path: Path) -> None:
    first = run("import", place.page, "--album", ALBUM, "--failures", "failed.ndjson")
    second = run("import", "failed.ndjson", "--failures", "failed.ndjson")
    third = run("import", "failed.ndjson")
    assert len({words(ended.stdout)[0][1] for ended in (first, second, third)}) == 3
    (tmp_path / "failed.ndjson").write_text("")
    assert run("import", "failed.ndjson").status == 2


def test_a_list_of_failures_is_kept_until_all_of_it_was_sent(run: Run, place: Place, tmp_path: Path) -> None:
    text = json.dumps({"url": place.page, "album_id": ALBUM}) + "\n"
    (tmp_path / "failed.ndjson").write_text(text)
    refused = run("import", "failed.ndjson", "--failures", "failed.ndjson", LADING_TOKEN=token(expires=timedelta(-1)))
    assert (refused.status, (tmp_path / "failed.ndjson").read_text()) == (3, text)
    assert [path.name for path in tmp_path.iterdir()] == ["failed.ndjson"]


def test_what_was_not_awaited_long_enough_is_awaited_again(run: Run, place: Place, tmp_path: Path) -> None:
    one = json.loads(run("import", f"{place.photo}?slow", "--album", ALBUM, "--json").stdout.splitlines()[0])
    error = {"code": "timed_out", "detail": "", "import_id": one["import_id"]}
    (tmp_path / "failed.ndjson").write_text(
        json.dumps({"url": f"{place.photo}?slow", "album_id": ALBUM, "error": error})
    )
    again = run("import", "failed.ndjson")
    assert (again.status, again.stdout.split("\t")[:2]) == (0, ["done", one["import_id"]])


def test_odd_files_fail_alone(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(jpeg(30, 20, seed=5))
    (folder / os.fsdecode(b"latin-\xe9.jpg")).write_bytes(jpeg(30, 20, seed=6))
    (folder / "secret.jpg").symlink_to(folder)
    (folder / "proc.jpg").symlink_to("/proc/self/mem")
    ended = run("import", "odd", "--album", ALBUM, "--failures", "failed.ndjson", "--json")
    lines = {Path(line["source"]).name: line for line in map(json.loads, ended.stdout.splitlines()[:-1])}
    assert {name: line["status"] for name, line in lines.items()} == {
        "good.jpg": "done",
        os.fsdecode(b"latin-\xe9.jpg"): "done",
        "proc.jpg": "failed",
    }


def test_another_server_is_told_as_that(run: Run, place: Place, pictures: Path) -> None:
    for source in (place.photo, str(pictures / "a.jpg")):
        ended = run("import", source, "--album", ALBUM, LADING_URL=place.origin)
        assert ended.status == 3, ended
        assert "http_" in ended.stderr


def test_without_waiting(run: Run, place: Place) -> None:
    ended = run("import", f"{place.photo}?later", "--album", ALBUM, "--no-wait", "--json")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (ended.status, lines[0]["status"], lines[1]["summary"]["accepted"]) == (0, "accepted", 1)


def test_a_dry_run_imports_nothing(run: Run, place: Place, pictures: Path) -> None:
    del pictures
    tried = run("import", "--dry-run", f"{place.photo}?dry", place.page, "pictures/a.jpg", "--album", ALBUM)
    assert tried.status == 1
    verdicts = [line.split("\t")[0] for line in tried.stdout.splitlines()]
    assert verdicts == ["would import", "would fail", "would upload"]
    assert "photo.jpg?dry" not in run("imports", "list", "--album", ALBUM, "--limit", "500").stdout


def test_wrong_usage_sends_nothing(run: Run, tmp_path: Path, place: Place) -> None:
    (tmp_path / "links.txt").write_text(f"{place.photo}?unsent\nnonsense\n")
    (tmp_path / "none.txt").write_text("\n")
    for arguments, said in [
        (("links.txt",), "links.txt: line 2 is no URL: 'nonsense'"),
        (("none.txt",), "There is nothing to import"),
        (("missing.jpg",), "'missing.jpg' is neither a file nor a URL."),
        (("www.example.org/a.jpg",), "Did you mean https://www.example.org/a.jpg?"),
        ((place.photo, "--metadata", "x"), "'x' is not NAME=VALUE"),
        ((), "Missing argument"),
    ]:
        ended = run("import", *arguments, "--album", ALBUM)
        assert ended.status == 2, ended
        assert said in ended.stderr
    assert "unsent" not in run("imports", "list", "--album", ALBUM, "--limit", "500").stdout


def test_who_cannot_be_reached_or_refuses_the_token(run: Run, place: Place) -> None:
    refused = run("import", place.photo, LADING_TOKEN=token(expires=timedelta(hours=-1)))
    assert refused.status == 3
    assert "401" in refused.stderr or "token" in refused.stderr
    assert run("imports", "show", "x", LADING_TOKEN="nonsense").status == 3
    odd = run("import", place.photo, LADING_TOKEN="s3cr3t\ntoken")
    assert (odd.status, "s3cr3t" in odd.stderr, "token_malformed" in odd.stderr) == (3, False, True)
    assert run("import", place.photo, LADING_TOKEN="", HOME="/nonexistent").status == 2
    away = run("imports", "show", "x", LADING_URL="http://127.0.0.1:9")
    assert (away.status, away.stderr[:48]) == (3, "Error: server_not_reachable: http://127.0.0.1:9:")


def test_what_a_name_holds_moves_no_cursor(run: Run, tmp_path: Path) -> None:
    (tmp_path / "red\x1b[31m\n.jpg").write_bytes(b"no image")
    ended = run("import", ".", "--album", ALBUM)
    assert ended.stdout.count("\n") == 1
    assert "red\\x1b[31m\\x0a.jpg" in ended.stdout
