"""The tutorials on plugins and their reference are run: files written, commands executed, snippets tested."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.plugins.distributions import AUTHORS_PYTEST

URL = "https://example.org/image.qoi"
DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorials" / "first-plugin.md"
PROCESSOR = DOCS / "tutorials" / "first-processor.md"
REFERENCE = (DOCS / "reference" / "plugin-contracts.md", DOCS / "reference" / "kit.md")
_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    file: str | None


def blocks(*pages: Path) -> Iterator[Block]:
    for match in _BLOCK.finditer("\n".join(page.read_text(encoding="utf-8") for page in pages)):
        yield Block(match["language"], match["code"], match["file"])


def environment(site: Path) -> dict[str, str]:
    """A place of its own for what ``pip install`` installs, beside the packages of the tests themselves."""
    binaries = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **AUTHORS_PYTEST,
    }


def run(command: str, folder: Path, site: Path) -> str:
    # A shell's "python" and "pip" are those of the tests.
    words = shlex.split(command)
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(site),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def test_every_block_is_of_a_kind_that_is_run() -> None:
    for tutorial in (TUTORIAL, PROCESSOR):
        kinds = {(block.language, block.file is not None) for block in blocks(tutorial)}
        assert kinds == {("python", True), ("ini", True), ("console", False)}
    assert {(block.language, block.file) for block in blocks(*REFERENCE)} == {("python", None)}


def follow(tutorial: Path, folder: Path, site: Path) -> dict[str, str]:
    """Write every file and run every command of a tutorial; what each command prints."""
    outputs: dict[str, str] = {}
    for block in blocks(tutorial):
        if block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        elif block.language == "console":
            for line in block.code.splitlines():
                command = line.removeprefix("$ ")
                outputs[command] = run(command, folder, site)
    assert " passed" in outputs["python -m pytest tests"]
    assert "failed" not in outputs["python -m pytest tests"]
    return outputs


@pytest.mark.long_form
@pytest.mark.timeout(300)
def test_the_tutorial(tmp_path: Path) -> None:
    outputs = follow(TUTORIAL, tmp_path / "lading-qoi", tmp_path / "site")
    listed = outputs["lading plugins --config service.conf"]
    assert "* qoi, lading-qoi 1.0, contract 1" in listed
    assert "Most pixels of one side." in listed
    card = outputs["lading plugins check qoi --config service.conf"]
    assert "options: [detect.qoi] max_side = 10000" in card
    assert "passed: " in card.splitlines()[-1]
    assert "2. qoi (lading-qoi 1.0)" in outputs[f"lading plugins explain {URL} --config service.conf"]


@pytest.mark.long_form
@pytest.mark.timeout(300)
def test_the_tutorial_on_processors(tmp_path: Path) -> None:
    outputs = follow(PROCESSOR, tmp_path / "lading-credit", tmp_path / "site")
    card = outputs["lading plugins check credit --config service.conf"]
    assert "options: [process.credit] line = Photo: A. Nother" in card
    assert "passed: " in card.splitlines()[-1]


SNIPPETS = list(blocks(*REFERENCE))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet(number: int, tmp_path: Path) -> None:
    code = SNIPPETS[number].code
    file = tmp_path / f"test_snippet_{number}.py"
    file.write_text(code, encoding="utf-8")
    is_test = "def test_" in code or "class Test" in code
    output = run(f"python {'-m pytest -q ' if is_test else ''}{file.name}", tmp_path, tmp_path / "site")
    assert not is_test or " passed" in output
