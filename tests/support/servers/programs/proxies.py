"""The outgoing proxies that Debian has: tinyproxy for HTTP, microsocks for SOCKS5.

Their credentials are ``user`` and ``password``. Without the programs a test is skipped, unless ``LADING_REQUIRE`` names
``proxies``.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.servers.programs import located
from tests.support.servers.programs.ports import free_port

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
BasicAuth user password
ConnectPort {connect}
MaxClients 20
Timeout 60
LogFile "{log}"
LogLevel Connect
"""


@asynccontextmanager
async def tinyproxy(folder: Path, connect: int) -> AsyncIterator[int]:
    """A tinyproxy that allows ``CONNECT`` to one port; its own port. ``folder / "tinyproxy.log"`` has its requests."""
    port, conf = free_port(), folder / "tinyproxy.conf"
    conf.write_text(TINYPROXY.format(port=port, connect=connect, log=folder / "tinyproxy.log"))
    async with _process(port, "tinyproxy", "-d", "-c", str(conf)):
        yield port


@asynccontextmanager
async def microsocks() -> AsyncIterator[int]:
    """A microsocks; its port."""
    port = free_port()
    async with _process(port, "microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "user", "-P", "password"):
        yield port


@asynccontextmanager
async def _process(port: int, name: str, *arguments: str) -> AsyncIterator[None]:
    """A proxy, once it listens."""
    program = located(name, "proxies", os.environ.get("PATH", ""), f"install Debian's {name}")
    quiet = asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(program, *arguments, stdout=quiet, stderr=quiet)
    try:
        while True:
            assert running.returncode is None, f"{name} has ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
