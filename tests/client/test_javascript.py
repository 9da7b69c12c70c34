"""``examples/import.mjs``, run by Node.js against the service."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.client.conftest import ABILITIES, ALBUM, Place
from tests.support.servers import npm
from tests.support.servers.cutting_proxy import DROPPED, CuttingProxy, Harm, refused
from tests.support.servers.service import token

SCRIPT = Path(__file__).parents[2] / "examples" / "import.mjs"


def run(url: str, image: str, abilities: tuple[str, ...] = ABILITIES) -> subprocess.CompletedProcess[str]:
    npm.need("node")
    environ = {**os.environ, "LADING_URL": url, "LADING_TOKEN": token(abilities=abilities), "NODE_NO_WARNINGS": "1"}
    command = ["node", "--experimental-eventsource", str(SCRIPT), image, ALBUM]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_an_import_is_followed_though_answers_are_lost(place: Place, proxy: CuttingProxy) -> None:
    busy = refused("503 Service Unavailable", Retry_After="0")
    proxy.harm("POST /api/v1/imports ", DROPPED, busy)
    # It ends in order: the EventSource of Node.js 20 does not notice that a connection is reset.
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    proxy.harm("GET ", Harm(answer=f"{head}retry: 10\n\n".encode()))
    done = run(proxy.url, place.photo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" done\n")
    assert proxy.is_done
    keys = [line for head in proxy.heads for line in head.splitlines() if line.lower().startswith("idempotency-key")]
    assert (len(keys), len(set(keys))) == (3, 1)


@pytest.mark.parametrize("abilities", [ABILITIES, ()])
def test_what_fails_is_told(place: Place, abilities: tuple[str, ...]) -> None:
    done = run(place.url, place.page, abilities)
    assert done.returncode == 1
    assert ("failed: not_an_image" in done.stdout) if abilities else ("code: 'forbidden'" in done.stderr)
