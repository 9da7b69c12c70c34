"""An origin of images for the measurements: nginx (Debian's package), on many JPEGs that are all different."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from bench.serving import free_port, tool, wait_for

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
    types {{ image/jpeg jpg; }}
    server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


def make_images(root: Path, count: int, byte_size: int = 45_000) -> list[str]:
    """Write JPEGs of about that size in folders of a thousand; their paths below ``root``, with a leading slash."""
    patterns = [_pattern(number, byte_size) for number in range(16)]
    paths = []
    for number in range(count):
        path = f"/{number // 1000:04}/{number:08}.jpg"
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        pattern = patterns[number % len(patterns)]
        # A comment makes each one different (ITU-T T.81 section B.2.4.5).
        comment = f"image {number:08}".encode()
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (root / path[1:]).write_bytes(pattern[:2] + marker + pattern[2:])
        paths.append(path)
    return paths


def _pattern(seed: int, byte_size: int) -> bytes:
    """A JPEG of 512 by 384 pixels, noisy enough to be about that large."""
    rng = random.Random(seed)  # noqa: S311  # noise, no secret
    small = Image.frombytes("RGB", (128, 96), rng.randbytes(128 * 96 * 3))
    picture = small.resize((512, 384), Image.Resampling.BICUBIC)
    best = b""
    for quality in range(20, 96, 3):
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if not best or abs(len(buffer.getvalue()) - byte_size) < abs(len(best) - byte_size):
            best = buffer.getvalue()
    return best


@contextmanager
def origin(folder: Path, root: Path) -> Iterator[str]:
    """An nginx that serves ``root``; its URL. It ends with the block."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, root=root), encoding="utf-8")
    command = [
        tool("nginx", "nginx-light"),
        "-p",
        str(folder),
        "-c",
        str(configuration),
        "-e",
        str(folder / "error.log"),
    ]
    folder.chmod(0o755)  # its worker process has another user
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603  # our own
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
