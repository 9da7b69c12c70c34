"""A real nginx for tests, serving a folder: the reference for what answers to ranges and conditions look like."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.programs import program
from tests.support.servers.programs.ports import free_port

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ image/png png; }}
    # As RFC 9110 section 13.1.3 has it; by default nginx wants the very date that it sent.
    if_modified_since before;
    max_ranges {max_ranges};
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@contextmanager
def nginx(folder: Path, root: Path, max_ranges: int) -> Iterator[int]:
    """An nginx that serves ``root``; its port. It ends with the block."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, root=root, max_ranges=max_ranges))
    arguments = [
        program("nginx", "nginx-light"),
        "-p",
        str(folder),
        "-c",
        str(configuration),
        "-e",
        str(folder / "error.log"),
    ]
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_it_listens(process, port, folder)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    give_up = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > give_up:
                log = folder / "error.log"
                told = log.read_text(errors="replace") if log.exists() else ""
                raise AssertionError(f"nginx does not listen: {told}") from error
            time.sleep(0.02)
        else:
            return
