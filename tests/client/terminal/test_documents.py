"""``lading imports``, ``lading images`` and ``lading login``."""

import json
import stat
from pathlib import Path

from lading.plugins.testing.images import jpeg
from tests.client.conftest import ALBUM, Place
from tests.client.terminal.conftest import Run


def imported(run: Run, *arguments: str) -> dict[str, str]:
    ended = run("import", *arguments, "--album", ALBUM, "--again", "--json")
    found: dict[str, str] = json.loads(ended.stdout.splitlines()[0])
    return found


def test_an_import_is_listed_shown_watched_and_deleted(run: Run, place: Place) -> None:
    one = imported(run, f"{place.photo}?shown")["import_id"]
    lines = run("imports", "list", "--album", ALBUM, "--status", "done", "--limit", "1").stdout.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "CREATED", "SIZE", "SOURCE"]
    assert lines[1].startswith(one)
    assert lines[1].endswith("photo.jpg?shown")
    assert json.loads(run("imports", "list", "--limit", "1", "--json").stdout)["id"] == one
    albums = run("imports", "albums", "--limit", "500").stdout.splitlines()
    assert albums[0].split() == ["ALBUM", "IMPORTS", "NEWEST"]
    assert [line.split()[0] for line in albums].count(ALBUM) == 1
    counted = [json.loads(line) for line in run("imports", "albums", "--json").stdout.splitlines()]
    assert ALBUM in {album["album_id"] for album in counted}
    shown = dict(line.split(maxsplit=1) for line in run("imports", "show", one).stdout.splitlines())
    assert (shown["import"], shown["status"], shown["album"], shown["size"]) == (one, "done", ALBUM, "49.1 kB")
    watched = run("imports", "watch", one)
    assert watched.stdout.startswith("done") or not watched.stdout, "an import that has ended has no changes"
    assert run("imports", "cancel", one).status == 1
    assert run("imports", "delete", one).status == 1, "nobody says yes"
    assert run("imports", "delete", one, "--yes").stdout == f"{one}: deleted\n"
    assert "not_found" in run("imports", "show", one).stderr


def test_a_failed_import_is_retried(run: Run, place: Place) -> None:
    one = imported(run, place.page)["import_id"]
    assert run("imports", "retry", one, "missing").status == 1
    assert run("imports", "watch", one).status == 1
    shown = run("imports", "show", one).stdout
    assert "not_an_image" in shown


def test_an_image_is_listed_downloaded_and_deleted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(jpeg(50, 40, seed=7))
    one = imported(run, "mine.jpg")["image_id"]
    (tmp_path / "mine.jpg").unlink()
    assert "mine.jpg" in run("images", "list", "--album", ALBUM, "--limit", "1").stdout
    assert run("images", "get", one).stdout == "mine.jpg\n"
    assert (tmp_path / "mine.jpg").read_bytes() == jpeg(50, 40, seed=7)
    assert run("images", "get", one).stderr == "Error: mine.jpg exists; name the file with --output\n"
    assert run("images", "get", one, "-o", "other.jpg").stdout == "other.jpg\n"
    assert run("images", "delete", one, "--yes").stdout == f"{one}: deleted\n"
    gone = run("images", "get", one, "-o", "gone.jpg")
    assert gone.status == 1
    assert not (tmp_path / "gone.jpg").exists()


def test_a_profile_takes_the_place_of_the_environment(
    run: Run, tmp_path: Path, place: Place, environ: dict[str, str]
) -> None:
    nothing = {"LADING_URL": "", "LADING_TOKEN": "", "HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}
    refused = run("login", place.url, "--token-file", "-", stdin="nonsense", **nothing)
    assert refused.status == 3
    saved = run("login", place.url, "--token-file", "-", stdin=environ["LADING_TOKEN"], **nothing)
    path = tmp_path / ".config/lading/client.toml"
    assert saved.stdout == f"saved as profile 'default' in {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("imports", "list", "--limit", "1", **nothing).status == 0
    assert "no profile 'x'" in run("imports", "list", "--profile", "x", **nothing).stderr
