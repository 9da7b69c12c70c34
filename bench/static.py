"""A static server, for machines without nginx.

python -m bench.static PORT FOLDER
"""

import asyncio
import sys

import uvloop
from aiohttp import web


async def serve(port: int, folder: str) -> None:
    """Listen until the process is ended."""
    application = web.Application()
    application.router.add_static("/", folder)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
