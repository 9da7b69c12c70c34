"""``/docs`` in a real browser: the page shows every operation, and asks nobody else for anything.

The browser is Debian's ``chromium-headless-shell``, or another Chromium. Without one the test is skipped, unless
``LADING_REQUIRE`` names ``browser``.
"""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lading.service.api.openapi.operations import OPERATIONS
from tests.support.servers.programs import missing
from tests.support.servers.service import running_service

# Names of other hosts lead nowhere; the rest keeps the browser from asking for things of its own.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000", "--dump-dom"),
)


def browser() -> str:
    """The browser to start."""
    for name in ("chromium-headless-shell", "chromium", "chrome", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    raise missing("browser", "there is no Chromium: install Debian's chromium-headless-shell")


@pytest.mark.gen_test(timeout=120)
async def test_the_page_shows_every_operation(tmp_path: Path) -> None:
    program = browser()
    async with running_service(tmp_path, LADING_WORKER__ENABLED="false") as service:
        net_log = tmp_path / "net.json"
        command = [
            *(program, *FLAGS, "--enable-logging=stderr", f"--log-net-log={net_log}"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"{service.url}/docs"),
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=100, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    rendered = set(re.findall(r'id="operations-(?!tag-)\w+-(\w+)"', done.stdout))
    assert rendered == {one.id for one in OPERATIONS}
    assert [one.id for one in OPERATIONS if one.summary.replace("`", "") not in done.stdout.replace("`", "")] == []
    # Whatever a page logs, an error that nobody caught too, and what its policy has kept it from.
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    asked = set(re.findall(r'"url":"(\w+://[^"]*)"', net_log.read_text(encoding="utf-8")))
    assert {f"{service.url}/docs", f"{service.url}/openapi.json", f"{service.url}/docs/start.js"} <= asked
    assert [url for url in asked if not url.startswith(f"{service.url}/")] == []
