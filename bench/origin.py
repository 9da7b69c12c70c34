"""The origin of the images: nginx (Debian's package) on a folder, with its defaults for a file server; where there is
none, a static server of ours, and the report says so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import listening, started, wait_for
from bench.tools import find
from tests.support.servers.programs.ports import free_port

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ image/jpeg jpg; image/png png; }}
    server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


@contextmanager
def origin(folder: Path, root: Path) -> Iterator[str]:
    """A server of the files below ``root``; its URL. It ends with the block.

    Args:
        folder: for its own files; nginx's worker, which has another user, has to be able to enter it and ``root``.
        root: the folder that is served.
    """
    port = free_port()
    for path in (folder, root):
        path.chmod(0o755)
    log = folder / "error.log"
    nginx = find("nginx")
    if nginx is None:
        with listening(["bench.static", str(port), str(root)], port, log=log):
            yield f"http://127.0.0.1:{port}"
        return
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, root=root), encoding="utf-8")
    with started([nginx, "-p", folder, "-c", configuration, "-e", log], log=folder / "nginx.log") as process:
        wait_for(port, process, folder / "nginx.log")
        yield f"http://127.0.0.1:{port}"


def origin_name() -> str:
    """What serves the images."""
    if find("nginx") is not None:
        return "nginx"
    return "bench/static.py (aiohttp, one process): there is no nginx, so that the origin bounds more of the figures"
