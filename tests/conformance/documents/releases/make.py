"""Writes ``v0_1_0.sql``: runs the code of a release, imports with it, kills it and dumps its database.

    git worktree add /tmp/release 0c54a97
    (cd /tmp/release && python setup.py -q egg_info)
    python -m tests.conformance.documents.releases.make /tmp/release

The release finds its dependencies in this environment, and itself by ``PYTHONPATH``.
"""

import base64
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tests.support.servers.processes import HttpClient, wait_until

GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PORT = 8099
SQL = Path(__file__).with_name("v0_1_0.sql")


def main(release: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 8098)):
        environ = {
            **os.environ,
            "PYTHONPATH": str(release),
            "LADING_FETCH_HTTP__ALLOW_NETWORKS": "127.0.0.0/8",
            "LADING_SERVICE__PORT": str(PORT),
        }

        def lading(*arguments: str) -> str:
            command = [sys.executable, "-m", "service", *arguments]
            return subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True).stdout

        lading("issuer", "create", "--id", "release-issuer", "--organization", "release-organization")
        token = lading("token", "--issuer", "release-issuer", "--album", "album").strip()
        command = [sys.executable, "-m", "service", "serve"]
        service = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL)
        try:
            _import(HttpClient(f"http://127.0.0.1:{PORT}", token))
        finally:
            service.send_signal(signal.SIGKILL)
            service.wait()
        with closing(sqlite3.connect(Path(folder) / "lading-data" / "lading.sqlite3")) as connection:
            header = [f"PRAGMA {one} = {_value(connection, one)};" for one in ("application_id", "user_version")]
            SQL.write_text("\n".join([*header, *connection.iterdump()]) + "\n", encoding="utf-8")


def _import(client: HttpClient) -> None:
    wait_until(lambda: _answers(client))
    image = base64.b64decode(GIF)
    for number in range(3):  # bytes behind the end of a GIF are none of its own
        data = quote(base64.b64encode(image + b"\0" * number).decode())
        extra = f"&metadata[shelf]={number}" if number else "&tags=a,b"
        client.final(client.accepted(f"album_id=album&url=data:image/gif;base64,{data}{extra}"))
    client.final(client.accepted("album_id=album&url=data:text/plain,no%2520image"))
    running = client.accepted("album_id=album&url=http://127.0.0.1:8098/never.gif&filename=never.gif")
    wait_until(lambda: client.document(running)["status"] == "running")


def _answers(client: HttpClient) -> bool:
    try:
        return client.get("/healthz")[0] == 200
    except OSError:
        return False


def _value(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
