"""Uppy Companion and a tus server, each a process of Node.js, and a client that imports by them.

``companion.mjs`` and ``tus.mjs`` run where ``node_modules`` has their packages.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from bench.peers.clients import CLIENTS, PATIENCE
from bench.peers.running import Peer
from bench.processes import started, wait_for, wait_until_idle
from bench.tools import tool
from tests.support.servers.programs.ports import free_port

HERE = Path(__file__).parent


@contextmanager
def companion(modules: Path, folder: Path) -> Iterator[tuple[Peer, str]]:
    """Companion, which fetches, and the tus server that it uploads to, with the URL of the latter.

    Args:
        modules: the folder ``node_modules``.
        folder: empty.
    """
    images, spool = folder / "images", folder / "spool"
    images.mkdir()
    spool.mkdir()
    (folder / "node_modules").symlink_to(modules.absolute())
    port, tus = free_port(), free_port()
    url = f"http://127.0.0.1:{tus}/files"
    with started(*_node(folder, "tus", PORT=str(tus), FOLDER=str(images))) as storing:
        wait_for(tus, storing, folder / "tus.log")
        with started(*_node(folder, "companion", PORT=str(port), TUS=url, FOLDER=str(spool))) as fetching:
            wait_for(port, fetching, folder / "companion.log")
            wait_until_idle(fetching.pid)
            yield Peer(port, (storing.pid, fetching.pid), folder), url


def _node(folder: Path, name: str, **environ: str) -> tuple[list[str | Path], dict[str, str], Path]:
    """The arguments of ``started``. A module finds its packages beside itself alone."""
    script = folder / f"{name}.mjs"
    shutil.copy(HERE / script.name, script)
    return [tool("node"), script], {**environ, "NODE_ENV": "production"}, folder / f"{name}.log"


def importing(peer: Peer, tus: str, urls: Sequence[str]) -> int:
    """Have all URLs imported by so many clients at once; how many are. Blocks."""
    return asyncio.run(_import_all(peer, tus, list(urls)))


async def _import_all(peer: Peer, tus: str, urls: list[str]) -> int:
    asking = AsyncHTTPClient(force_instance=True, max_clients=CLIENTS)

    async def one() -> int:
        done = 0
        while urls:
            done += await _import(asking, peer, tus, urls.pop())
        return done

    try:
        return sum(await asyncio.gather(*(one() for _ in range(CLIENTS))))
    finally:
        asking.close()


async def _import(asking: AsyncHTTPClient, peer: Peer, tus: str, url: str) -> bool:
    """Companion begins to upload when somebody listens, and tells how it ends."""
    wish = {"url": url, "fileId": url, "protocol": "tus", "endpoint": tus, "metadata": {"name": "image.jpg"}}
    request = HTTPRequest(
        f"http://127.0.0.1:{peer.port}/url/get",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps(wish),
        request_timeout=PATIENCE,
    )
    token = json.loads((await asking.fetch(request)).body)["token"]
    socket = await websocket_connect(f"ws://127.0.0.1:{peer.port}/api/{token}")
    try:
        async with asyncio.timeout(PATIENCE):
            while (message := await socket.read_message()) is not None:
                action = json.loads(message)["action"]
                if action in ("success", "error"):
                    return bool(action == "success")
        return False
    finally:
        socket.close()
