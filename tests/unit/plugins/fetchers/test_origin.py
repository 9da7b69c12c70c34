"""The test origin itself: what other tests build on."""

import http.client
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lading.plugins.testing.origin import Origin, answer, files, origin_in_thread, stall


def get(origin: Origin, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ends(client: socket.socket) -> bool:
    """Whether the peer ends the connection, by closing or by a reset."""
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def test_an_origin_beside_synchronous_code(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"image")
    origin = Origin({"/x": answer(b"x")}, otherwise=files(tmp_path))
    with origin_in_thread(origin):
        assert get(origin, "/x") == (200, b"x")
        assert get(origin, "/a.png") == (200, b"image")
        assert get(origin, "/none")[0] == 404
        assert get(origin, "/../../etc/passwd")[0] == 404
        assert origin.connections == 4
        assert [request.target for request in origin.requests] == ["/x", "/a.png", "/none", "/../../etc/passwd"]
    with pytest.raises(ConnectionRefusedError):
        get(origin, "/x")


def test_leaving_ends_connections_that_stall() -> None:
    origin = Origin({"/x": stall(b"HTTP/1.1 200 OK\r\n\r\n")})
    with socket.socket() as client:
        with origin_in_thread(origin):
            client.connect(("127.0.0.1", origin.port))
            client.settimeout(10)
            client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 200 OK\r\n\r\n"
        assert ends(client)


def test_a_connection_lives_no_longer_than_it_may() -> None:
    origin = Origin({"/x": stall()}, lifetime=0.1)
    with origin_in_thread(origin), pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(origin, "/x")


def test_an_origin_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"image")
    command = [sys.executable, "-m", "lading.plugins.testing.origin", "--port", "0", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            for _ in range(3):  # on one connection
                connection.request("GET", "/a.jpg?x=1")
                response = connection.getresponse()
                assert response.read() == b"image"
                assert response.headers["Content-Type"] == "image/jpeg"
                assert not response.will_close
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
