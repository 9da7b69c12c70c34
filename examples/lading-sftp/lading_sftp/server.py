"""A real SFTP server for tests, in a process of its own, whose files behave as badly as their folder says.

``python -m lading_sftp.server`` reads one line of JSON from standard input, the fields of ``ServerSettings``, and
writes one to standard output, those of ``ServerFacts``. It ends when its standard input does, so it outlives nobody.
Besides it has a port on which nothing listens, one that never says a word, and one that speaks SSH without SFTP.

Folders below the root: a file of ``stalled`` gives half of its bytes and then no answer, and so on; see ``FOLDERS``. A
file anywhere else is served as it is. ``start_server`` starts the process from a test.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

import asyncssh

LOOPBACK: Final = "127.0.0.1"
DRIP_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server is to be.

    Attributes:
        root: the folder that clients see.
        username, password: what they log in with.
        client_key: line of authorized_keys that they, and anybody else, may log in with instead.
    """

    root: str
    username: str
    password: str
    client_key: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """How the server is.

    Attributes:
        port: where it listens, on loopback.
        down_port: where nothing does.
        silent_port: where connections are accepted and nothing is ever sent.
        hanging_up_port: where connections are accepted and ended at once.
        shell_port: where SSH is spoken, with the same logins and the same host key, and SFTP is not.
        host_key: the server's key, as ``algorithm base64``.
    """

    port: int
    down_port: int
    silent_port: int
    hanging_up_port: int
    shell_port: int
    host_key: str


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The server's process, and what it said of itself."""

    process: subprocess.Popen[str]
    facts: ServerFacts

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.communicate()


def start_server(settings: ServerSettings) -> RunningServer:
    """Start the server in a process of its own and wait until it listens; to be stopped.

    Raises:
        OSError, ValueError: it did not start; what it said is on standard error.
    """
    command = [sys.executable, "-m", __name__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    stdin, stdout = cast("TextIO", process.stdin), cast("TextIO", process.stdout)
    try:
        stdin.write(json.dumps(asdict(settings)) + "\n")
        stdin.flush()
        return RunningServer(process, ServerFacts(**json.loads(stdout.readline())))
    except (OSError, ValueError):
        process.communicate()
        raise


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that a client has open."""

    folder: str
    file: BinaryIO
    size: int

    def part(self, offset: int, size: int) -> bytes:
        """What there is of it from the offset on."""
        self.file.seek(offset)
        return self.file.read(size)

    @property
    def half(self) -> int:
        """Where the good part of a bad file ends."""
        return self.size // 2


class HostileFiles(asyncssh.SFTPServer):
    """Serves the files of a folder, each as its folder says."""

    def stat(self, path: bytes) -> os.stat_result | asyncssh.SFTPAttrs:
        """Announce what the folder announces."""
        folder = _folder(path)
        if folder == "denied":
            raise asyncssh.SFTPPermissionDenied("denied")
        if folder == "unavailable":
            raise asyncssh.SFTPFailure("not now")
        status = Path(os.fsdecode(self.map_path(path))).stat()
        size: int | None = status.st_size
        if folder in ("dripping", "endless", "ends_early", "failed_after", "empty"):
            size = None
        elif folder == "too_long":
            size = status.st_size // 2
        return asyncssh.SFTPAttrs(size=size, permissions=status.st_mode)

    def open(self, path: bytes, _pflags: int, _attrs: asyncssh.SFTPAttrs) -> object:
        """Open for reading, whatever was asked for."""
        file = Path(os.fsdecode(self.map_path(path))).open("rb")  # noqa: SIM115 - closed by close
        return OpenFile(_folder(path), file, os.fstat(file.fileno()).st_size)

    def close(self, file_obj: object) -> None:
        """Close what ``open`` opened."""
        cast("OpenFile", file_obj).file.close()

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Answer as the folder does; nothing is the end."""
        file = cast("OpenFile", file_obj)
        behaviour = FOLDERS.get(file.folder)
        return file.part(offset, size) if behaviour is None else await behaviour(self, file, offset, size)


def _folder(path: bytes) -> str:
    return path.strip(b"/").partition(b"/")[0].decode(errors="replace")


def _first_half(file: OpenFile, offset: int, size: int) -> bytes:
    return file.part(offset, max(0, min(size, file.half - offset)))


async def _stalled(server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    if offset >= file.half:
        await server.connection.wait_closed()
    return _first_half(file, offset, size)


async def _dripping(_server: HostileFiles, _file: OpenFile, _offset: int, _size: int) -> bytes:
    await asyncio.sleep(DRIP_SECONDS)
    return b"."


async def _reset(server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    if offset >= file.half:
        linger = struct.pack("ii", 1, 0)  # with no time to linger, a socket's end is a reset
        server.connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        server.connection.abort()
    return _first_half(file, offset, size)


async def _ends_early(server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    if offset >= file.half:
        server.connection.close()
        await server.connection.wait_closed()
    return _first_half(file, offset, size)


async def _failed_after(_server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    if offset >= file.half:
        raise asyncssh.SFTPFailure("the disk has failed")
    return _first_half(file, offset, size)


async def _truncated(_server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    return _first_half(file, offset, size)


async def _endless(_server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    return file.part(offset % file.size, size)


async def _tiny(_server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    return file.part(offset, min(size, 1000))


async def _generous(_server: HostileFiles, file: OpenFile, offset: int, size: int) -> bytes:
    return file.part(offset, 2 * size)


FOLDERS: Final[dict[str, Callable[[HostileFiles, OpenFile, int, int], Awaitable[bytes]]]] = {
    "stalled": _stalled,
    "dripping": _dripping,
    "reset": _reset,
    "ends_early": _ends_early,
    "failed_after": _failed_after,
    "truncated": _truncated,
    "endless": _endless,
    "tiny": _tiny,
    "generous": _generous,
}
"""Answers to a request for bytes, by folder. ``tiny`` gives less than was asked for, which is right; ``generous`` gives
more, which is not. Also known: ``denied``, ``unavailable`` and ``too_long``, which announces half of its size."""


class Login(asyncssh.SSHServer):
    """Lets the one user in."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings

    def password_auth_supported(self) -> bool:
        """A password will do."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Whether it is the user's."""
        return (username, password) == (self._settings.username, self._settings.password)

    def begin_auth(self, username: str) -> bool:
        """Everybody has to log in."""
        return bool(username)


async def _serve(settings: ServerSettings) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with AsyncExitStack() as stack:
        options = asyncssh.SSHServerConnectionOptions(
            config=None,
            server_host_keys=[key],
            server_factory=lambda: Login(settings),
            authorized_client_keys=asyncssh.import_authorized_keys(settings.client_key),
        )
        listener = await asyncssh.listen(
            LOOPBACK,
            0,
            options=options,
            sftp_factory=lambda channel: HostileFiles(channel, chroot=os.fsencode(settings.root)),
        )
        shell = await asyncssh.listen(LOOPBACK, 0, options=options, process_factory=lambda process: process.exit(0))
        silent = await asyncio.start_server(_never_answer, LOOPBACK, 0)
        hanging_up = await asyncio.start_server(_hang_up, LOOPBACK, 0)
        for server in (listener, shell, silent, hanging_up):
            stack.callback(server.close)
        down = stack.enter_context(socket.socket())
        down.bind((LOOPBACK, 0))  # taken, so that nobody else listens there, and not listened on
        facts = ServerFacts(
            listener.get_port(),
            down.getsockname()[1],
            silent.sockets[0].getsockname()[1],
            hanging_up.sockets[0].getsockname()[1],
            shell.get_port(),
            key.export_public_key().decode().strip(),
        )
        sys.stdout.write(json.dumps(asdict(facts)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


async def _never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(65536):
            pass
    finally:
        writer.close()


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(ServerSettings(**json.loads(sys.stdin.readline()))))
