"""Those who follow pages notice what is wrong with them."""

from pathlib import Path

import pytest

from tests.docs.pages.blocks import blocks, page_mark
from tests.docs.pages.comparing import Names, difference
from tests.docs.pages.reader import Reader, Strayed
from tests.docs.pages.stand_ins import StandIns

ID, OTHER = "f60ae96b-2681-4885-8437-356e9fae9f6e", "8e363d97-2f4f-4f0a-a2ba-16b0ce9ad3cd"
REAL, OTHER_REAL = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "…": "…"}', '{"b": 2}'),
        ('{"a": null}', '{"a": "x"}'),
        ('{"a": "x…"}', '{"a": "y"}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": 1}', '{"a": 1} {"a": 1}'),
        (f'{{"a": "{ID}"}}', '{"a": "no id"}'),
        (f'{{"a": "{ID}", "b": "{ID}"}}', f'{{"a": "{REAL}", "b": "{OTHER_REAL}"}}'),
        ('{"at": "2026-08-01T12:00:00.000+00:00"}', '{"at": "yesterday"}'),
        ('{"status": 204}', '{"status": 205}'),
    ],
)
def test_another_json_document_is_noticed(expected: str, actual: str) -> None:
    assert difference(expected, actual, "json", Names())


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("a\nb", "a"),
        ("a", "a\nb"),
        ("a\n…\nb", "a\nc"),
        ("…\na", "b"),
        ("a…c", "abd"),
        ("a.c", "abc"),
    ],
)
def test_another_text_is_noticed(expected: str, actual: str) -> None:
    assert difference(expected, actual, "text", Names())


def test_what_a_page_shows_in_short_is_known_again_under_its_own_ids() -> None:
    names = Names()
    shown = f'{{"id": "{ID}", "image": {{"id": "{OTHER}", "…": "…"}}, "ms": 8, "…": "…"}}'
    printed = f'{{"id": "{REAL}", "image": {{"id": "{OTHER_REAL}", "x": 1}}, "ms": 3.5, "y": []}}'
    assert difference(shown, printed, "json", names) == ""
    assert names.applied(f"ID={ID} OTHER={OTHER}") == f"ID={REAL} OTHER={OTHER_REAL}"
    assert difference(f"one\n…\nid: {ID}\n…", f"one\ntwo\nid: {REAL}\nthree", "text", names) == ""
    assert difference(f"id: {ID}", f"id: {OTHER_REAL}", "text", names)


def test_documents_may_come_in_any_order_and_none_stands_for_two() -> None:
    names = Names()
    shown = f'{{"line": 1, "id": "{ID}"}} {{"line": 2, "id": "{OTHER}"}}'
    printed = f'{{"line": 2, "id": "{OTHER_REAL}"}} {{"line": 1, "id": "{REAL}"}}'
    assert difference(shown, printed, "json", names) == ""
    assert names.applied(f"{ID} {OTHER}") == f"{REAL} {OTHER_REAL}"
    assert difference('{"a": 1} {"a": 1}', '{"a": 1} {"a": 2}', "json", names)


def test_a_page_is_read_with_its_marks_files_and_states(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- test: service -->\n# Page\n\n`a/b.conf`:\n\n```ini\nx = 1\n```\n\n"
        "<!-- test: skip it costs money -->\n```sh\npay\n```\n\n<!-- test: status 22 -->\n```sh\nfail\n```\n",
        encoding="utf-8",
    )
    assert page_mark(page) == "service"
    assert [(b.language, b.code, b.file, b.skip, b.status) for b in blocks(page)] == [
        ("ini", "x = 1\n", "a/b.conf", "", 0),
        ("sh", "pay\n", "", "it costs money", 0),
        ("sh", "fail\n", "", "", 22),
    ]
    page.write_text("<!-- test: skpi it costs money -->\n```sh\npay\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match="skpi"):
        list(blocks(page))


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\ntrue\n```\n",
        "<!-- test: status 3 -->\n```sh\ntrue\n```\n",
        "```sh\necho one\n```\n\n```text\ntwo\n```\n",
        "```python\nraise SystemExit(1)\n```\n",
        "```ruby\nputs 1\n```\n",
    ],
)
def test_a_page_that_does_not_do_what_it_says_is_noticed(text: str, tmp_path: Path) -> None:
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(text, encoding="utf-8")
    folder.mkdir()
    with Reader(folder, StandIns("http://127.0.0.1:1")) as reader, pytest.raises(Strayed):
        reader.follow(page)


def test_variables_and_folders_last_as_in_a_terminal(tmp_path: Path) -> None:
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(
        "```sh\nNAME='two words'\nmkdir sub\ncd sub\n```\n\n```sh\necho \"$NAME\" > file\n```\n\n"
        "```python\nprint(open('file').read(), end='')\n```\n\n```text\ntwo words\n```\n",
        encoding="utf-8",
    )
    folder.mkdir()
    with Reader(folder, StandIns("http://127.0.0.1:1")) as reader:
        assert reader.follow(page) == 4
    assert (folder / "sub" / "file").read_text() == "two words\n"
