"""Links in any text that ``lading import`` gets: in a letter, in Markdown, in what a pipe gives."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from lading.service.cli.client.send.prose import Found, find_links, form_of, links_of
from lading.service.cli.client.send.sources import STDIN, SourceFault, Sources
from lading.service.cli.main import main
from tests.client.terminal.links import LINKS

A, B = "https://a.example/1.jpg", "https://b.example/2.jpg"
LETTER = f"""Dear Ada,

the harbour: {A}; and the crane ({B}).
# https://c.example/old.jpg
Once more: {A}
Thanks!
"""


@pytest.mark.parametrize(("text", "links"), LINKS)
def test_the_command_finds_the_links_that_the_page_finds(text: str, links: Sequence[str]) -> None:
    assert find_links(text) == links


@pytest.mark.parametrize(
    ("first", "form"),
    [
        ("Dear Ada; these are the links:", "text"),
        (f"The harbour; {A}; and more; and more; and more", "text"),
        ('"Look," she wrote: https://a.example', "text"),
        (f'"{A}"', "ndjson"),
        (f'{{"url": "{A}"}}', "ndjson"),
        ("url;album_id", "csv"),
        (f"x;{A};one;", "csv"),
        (A, "text"),
    ],
)
def test_a_sentence_is_text_whatever_is_in_it(first: str, form: str) -> None:
    assert form_of(first) == form


def test_each_link_of_a_letter_is_imported_once_and_what_was_found_is_told(tmp_path: Path) -> None:
    letter = tmp_path / "letter.md"
    letter.write_text(LETTER, encoding="utf-8")
    told: list[str] = []
    common = {"album_id": "x"}
    for names, stdin, name in [((str(letter),), None, str(letter)), ((STDIN,), letter, "standard input")]:
        told.clear()
        found = list(Sources(names, common, stdin=stdin, tell=told.append))
        assert [one.params for one in found] == [{"url": A, "album_id": "x"}, {"url": B, "album_id": "x"}]
        assert told == [f"{name}: 2 links found in 4 lines of text; 2 of them have none."]


def test_a_list_of_urls_says_nothing_and_a_text_without_links_is_refused(tmp_path: Path) -> None:
    links, none = tmp_path / "links.txt", tmp_path / "none.txt"
    links.write_text(f"# my links\n{A}\n{A}\n", encoding="utf-8")
    none.write_text("Dear Ada,\nnothing today.\n", encoding="utf-8")
    told: list[str] = []
    assert [one.label for one in Sources((str(links),), {}, tell=told.append)] == [A, A]
    assert told == []
    with pytest.raises(SourceFault, match=r"There is no link in .*none\.txt"):
        list(Sources((str(none),), {}))


def test_a_link_behind_a_comment_sign_in_a_list_stays_switched_off(tmp_path: Path) -> None:
    links = tmp_path / "links.txt"
    links.write_text(f"#old {B}\n{A}\n", encoding="utf-8")
    assert [one.label for one in Sources((str(links),), {})] == [A]


def test_numbers_read_as_people_write_them() -> None:
    found = Found()
    assert list(links_of([f"see {A}"], found)) == [A]
    assert str(found) == "1 link found in 1 line of text; 0 of them have none."


def test_the_help_says_it() -> None:
    told = " ".join(CliRunner().invoke(main, ["import", "--help"]).output.split())
    assert ".txt and .md are any text, in which links are found" in told
