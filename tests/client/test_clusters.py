"""``examples/import_on_a_cluster.py``, on clusters of this machine: Dask and Ray, which must be installed."""

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.client import Client
from tests.client.conftest import ABILITIES, Place
from tests.support.servers.programs import missing
from tests.support.servers.service import token

SCRIPT = Path(__file__).parents[2] / "examples" / "import_on_a_cluster.py"
EXAMPLE: dict[str, Any] = runpy.run_path(str(SCRIPT))
LINE_BREAKS = "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@given(
    urls=st.lists(st.text(st.characters(exclude_characters=LINE_BREAKS, codec="utf-8"), max_size=12)),
    size=st.integers(1, 40),
    end=st.sampled_from(["\n", "\r\n", ""]),
)
def test_each_line_is_in_one_block(
    tmp_path_factory: pytest.TempPathFactory, urls: list[str], size: int, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"blocks-{os.getpid()}.txt"
    path.write_bytes(("\n".join(urls) + end).encode())
    found = [line for block in EXAMPLE["blocks"](path, "trip", size) for line in EXAMPLE["lines"](block)]
    assert found == [text for url in urls if (text := url.strip())]


@pytest.mark.long_form
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_list_is_imported_once_however_often_it_is_run(engine: str, place: Place, tmp_path: Path) -> None:
    _need("dask.distributed" if engine == "dask" else "ray")
    album = f"cluster-{engine}"
    urls = [f"{place.photo}?{number}" for number in range(300)]
    bad = ["ftp://www.example.org/a.jpg", "http://", "no link"]
    path = tmp_path / "urls.txt"
    path.write_text("\n".join([*urls[:100], *bad, *urls[100:]]) + "\n", encoding="utf-8")
    credentials = token(album=album, abilities=ABILITIES)
    environ = {**os.environ, "LADING_URL": place.url, "LADING_TOKEN": credentials, "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(SCRIPT), engine, str(path), "--album", album, "--block-bytes", "2000"]
    for _ in range(2):
        run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200, check=False)
        told = "300 accepted, 1 url_invalid, 1 url_scheme_missing, 1 url_scheme_not_allowed\n"
        assert (run.returncode, run.stdout) == (1, told), run.stdout + run.stderr
        refused = sorted((tmp_path / "urls.txt.refused").iterdir())
        assert [line for file in refused for line in file.read_text().splitlines()] == bad
        assert credentials not in run.stdout + run.stderr
    with Client(place.url, credentials) as lading:
        assert sorted(str(one.params["url"]) for one in lading.iter_imports(album_id=album)) == sorted(urls)


def _need(library: str) -> None:
    try:
        is_there = importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise missing("clusters", f"there is no {library}")
