"""README, the tutorial and the how-tos are followed: every command runs, and prints what the page shows."""

import shutil
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.docs.pages.blocks import blocks, page_mark
from tests.docs.pages.reader import Reader, as_a_clone
from tests.docs.pages.stand_ins import ROOT, fill_origin, stand_ins
from tests.support.servers.processes import origin_process
from tests.support.servers.programs import missing

README = ROOT / "README.md"
DOCS = ROOT / "docs"
API = [page for page in sorted((DOCS / "reference" / "api").glob("*.md")) if page.stem != "index"]
PAGES = [README, DOCS / "tutorials" / "first-import.md", *sorted((DOCS / "how-to").rglob("*.md")), *API]
PAGES.append(DOCS / "reference" / "admin.md")
COSTLY = {
    *("choose-a-storage", "several-processes", "several-storages", "move-images", "tenants-storages", "trace"),
    *("azure-blob-storage", "upgrade"),
}
"""Pages that start many processes, or install something, followed in the long form alone."""
WANTED = {"azure-blob-storage": ("azure", "npm", "azure-storage-blob")}
"""What a page needs that few machines have: its name in ``LADING_REQUIRE``, a program and a distribution."""
MOST_SKIPS = 8
A_SERVICE = """\
lading issuer create --id my-issuer --organization my-organization
TOKEN=$(lading token --issuer my-issuer --album holidays)
lading serve
"""
AN_IMAGE = """\
curl -sS --fail-with-body http://127.0.0.1:8080/api/v1/imports -H "Authorization: Bearer $TOKEN" \\
  -H "Prefer: wait=60" -d album_id=holidays -d url=https://www.example.org/photo.jpg
"""
BEFORE = {"": (), "service": (A_SERVICE,), "image": (A_SERVICE, AN_IMAGE)}
"""What the reader of a page with a mark has done before."""


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An origin that stands for the example hosts of all pages."""
    folder = tmp_path_factory.mktemp("origin")
    fill_origin(folder)
    with origin_process(folder) as url:
        yield url


def need(page: Path) -> None:
    """Skip the test where something is missing that the page needs, or fail if ``LADING_REQUIRE`` names it."""
    if page.stem not in WANTED:
        return
    name, program, distribution = WANTED[page.stem]
    has_distribution = any(True for _ in distributions(name=distribution))
    if shutil.which(program) is None or not has_distribution:
        raise missing(name, f"there is no {program}, or no {distribution}")


def _marks(page: Path) -> list[pytest.MarkDecorator]:
    """The short form follows the README, the tutorials, and a sample of the how-to guides and of the reference."""
    if page.stem in COSTLY:
        return [pytest.mark.long_form]
    return [pytest.mark.one_in(3)] if {"how-to", "reference"} & {*page.parts} else []


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=_marks(page)) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_reader_who_follows_the_page_gets_what_it_shows(
    page: Path, origin: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    need(page)
    folder = tmp_path / "lading"
    folder.mkdir()
    as_a_clone(folder)
    with Reader(folder, stand_ins(page.read_text(encoding="utf-8"), origin, request.getfixturevalue)) as reader:
        for code in BEFORE[page_mark(page)]:
            reader.shell(code)
        assert reader.follow(page) > 0


def test_few_blocks_are_skipped_and_each_says_why() -> None:
    skipped = [(page.name, block.skip) for page in PAGES for block in blocks(page) if block.skip]
    assert len(skipped) <= MOST_SKIPS, skipped
    assert all(len(reason.split()) > 3 for _, reason in skipped), skipped
