"""Starts the peers: each is ready and idle when it is given, and ends with its block."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import started, wait_for, wait_until_idle
from bench.tools import tool
from tests.support.servers.programs.ports import free_port

THREADS = 32
"""Of gunicorn: as many as there are clients."""
THUMBOR = """
LOADER = "thumbor.loaders.http_loader"
STORAGE = "thumbor.storages.file_storage"
FILE_STORAGE_ROOT_PATH = "{folder}/images"
RESULT_STORAGE = None
ALLOW_UNSAFE_URL = True
HTTP_LOADER_CURL_ASYNC_HTTP_CLIENT = True
HTTP_LOADER_MAX_CLIENTS = 64
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A service that runs.

    Attributes:
        pids: of the processes that were started; the others descend from them.
        folder: its images, and all else that it writes.
    """

    port: int
    pids: tuple[int, ...]
    folder: Path


@contextmanager
def plain_queue(binaries: Path, folder: Path) -> Iterator[Peer]:
    """Flask under gunicorn with one process, Celery with two that are forked, and Redis, which keeps nothing on disk.

    Args:
        binaries: the folder of celery and gunicorn.
        folder: empty.
    """
    (folder / "images").mkdir()
    port, broker = free_port(), free_port()
    environ = {
        "QUEUE_FOLDER": str(folder),
        "QUEUE_BROKER": f"redis://127.0.0.1:{broker}/0",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    redis: list[str | Path] = [
        tool("redis-server"),
        "--port",
        str(broker),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        folder,
    ]
    flask: list[str | Path] = [binaries / "gunicorn", "--worker-class", "gthread", "--threads", str(THREADS)]
    flask += ["--bind", f"127.0.0.1:{port}", "plain_queue:service"]
    celery: list[str | Path] = [binaries / "celery", "--app", "plain_queue:queue", "worker", "--pool", "prefork"]
    celery += ["--concurrency", "2", "--loglevel", "warning"]
    celery += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with ExitStack() as stack:
        log = folder / "redis.log"
        storing = stack.enter_context(started(redis, log=log))
        wait_for(broker, storing, log)
        accepting = stack.enter_context(started(flask, environ, folder / "flask.log"))
        wait_for(port, accepting, folder / "flask.log")
        working = stack.enter_context(started(celery, environ, folder / "celery.log"))
        wait_until_idle(working.pid)
        yield Peer(port, (storing.pid, accepting.pid, working.pid), folder)


@contextmanager
def thumbor(binaries: Path, folder: Path) -> Iterator[Peer]:
    """Thumbor with one process, which fetches by pycurl and keeps originals in files."""
    (folder / "images").mkdir()
    port, log, configuration = free_port(), folder / "thumbor.log", folder / "thumbor.conf"
    configuration.write_text(THUMBOR.format(folder=folder), encoding="utf-8")
    command: list[str | Path] = [binaries / "thumbor", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--conf", configuration, "--log-level", "error"]
    with started(command, log=log) as process:
        wait_for(port, process, log)
        wait_until_idle(process.pid)
        yield Peer(port, (process.pid,), folder)
