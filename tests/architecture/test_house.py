"""What holds for the project as a whole."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

from lading.plugins.errors import PluginError
from lading.service.api.app import ROUTES, make_app
from lading.service.api.resources import Resources
from tests.docs.test_errors import existing, tree

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "backends", "plugins", "client")
MAX_LINES = 320
MAX_TEST_LINES = 400


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def text_of_tests() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def test_modules_stay_short() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_modules_of_tests_stay_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MAX_TEST_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path in modules() if not path.read_text(encoding="utf-8").startswith('"""')] == []


def test_every_route_has_a_test() -> None:
    text = text_of_tests()
    assert [route.path for route in ROUTES if route.path.partition("{")[0] not in text] == []
    assert make_app.__doc__


def test_every_handler_is_given_what_it_says_that_it_works_with() -> None:
    fields = get_type_hints(Resources)
    wrong = {
        route.path: (route.uses, said)
        for route in ROUTES
        if (said := get_type_hints(route.handler)["api"]) != (fields[route.uses] if route.uses else object)
    }
    assert wrong == {}


def test_every_error_code_has_a_test() -> None:
    text = text_of_tests()
    bases = {"plugin_error", "fetch_error", "source_refused", "detect_error", "storage_error"}
    names = {error.code: error.__name__ for error in tree(PluginError) if issubclass(error, PluginError)}
    untested = {
        code for code in existing() if not any(name in text for name in (code, names.get(code, code), code.upper()))
    }
    assert untested - bases == set()


def test_the_project_speaks_of_itself_alone() -> None:
    # Put together here, so that this file does not hold what it looks for.
    forbidden = re.compile("|".join((r"(?<!\w)/" + "work/", "/" + "root/", "pypi" + r"\.org", "registry" + r"\.npmjs")))
    suffixes = {".py", ".md", ".toml", ".conf", ".sh", ""}
    tracked = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in suffixes and path.name != ".git"]
    for folder in (*PACKAGES, "tests", "docs", "examples", "bench", ".ci"):
        tracked += [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in suffixes]
    tracked = [path for path in tracked if ".hypothesis" not in path.parts]
    found = [str(path) for path in tracked if forbidden.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert found == []
