"""A deployment that can be hurt: named processes on shared documents and storage, each killed and started again."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.chaos.harm.clocks import SettableClock, forget
from tests.chaos.harm.pids import children_of, command_of, kill_one, send
from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, environment

LEASE: Final = 3.0
SETTLE: Final = LEASE + 60.0
"""Seconds from the last fault within which every accepted import must be final (P2)."""
QUICK: Final = 3.0
"""Seconds that a start takes on a machine with nothing else to do. Where it takes longer, so does all patience."""
PATIENCE: Final = 120.0
"""Seconds within which a process that does not start is started again and again."""
NAMES: Final = ("service", "worker")
STORES: Final = frozenset({"sqlite", "mongo", "nats"})
"""What runs are named by; ``nats`` is MongoDB with a broker that dispatches."""
ONLY: Final = [word for word in os.environ.get("LADING_CHAOS_FAULTS", "").split(",") if word]
"""Parts of the names of faults, "freezes,full disk": no others are made, for those who look for the cause of a finding.
"""
LOGS: Final = os.environ.get("LADING_CHAOS_LOGS")
"""A folder that keeps what the processes log, for those who look for the cause of a finding."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done, from LADING_CHAOS: ``short`` (unless given), ``medium`` or ``long``, and the name of a store to
    leave out the others: ``LADING_CHAOS="long sqlite"``.

    Attributes:
        segments: how often faults are followed by an audit.
        kills, faults: of each segment.
    """

    words: frozenset[str]
    segments: int
    kills: int
    faults: int | None

    @property
    def is_short(self) -> bool:
        return self.faults is None

    @property
    def is_long(self) -> bool:
        return "long" in self.words

    @property
    def timeout(self) -> float:
        return 900.0 if self.is_short else 600.0 + self.segments * 600.0

    def leaves_out(self, store: str) -> bool:
        return bool(self.words & STORES) and store not in self.words

    def seed(self) -> int:
        """From LADING_CHAOS_SEED; another one each time in the longer forms."""
        given = os.environ.get("LADING_CHAOS_SEED")
        if given:
            return int(given)
        return 15 if self.is_short else random.SystemRandom().randrange(1_000_000)


def scale_of(text: str) -> Scale:
    """See ``Scale``."""
    words = frozenset(text.replace(",", " ").split())
    if unknown := words - {"short", "medium", "long"} - STORES:
        raise ValueError(f"LADING_CHAOS has words that mean nothing: {', '.join(sorted(unknown))}")
    if "long" in words:
        return Scale(words, segments=10, kills=25, faults=10)
    return Scale(words, segments=2, kills=25, faults=12) if "medium" in words else Scale(words, 1, 6, None)


SCALE: Final = scale_of(os.environ.get("LADING_CHAOS", ""))
LONG: Final = SCALE.is_long


class Deployment:
    """The processes.

    Args:
        directory: of the configuration, and of the clocks that processes go by.
        folders: where the service writes to: ``database``, ``images``, ``spool`` and ``uploads``.
        overrides: of the configuration.
        service_processes: how many the service has; above 1 they have a supervisor.
    """

    def __init__(
        self, directory: Path, folders: Mapping[str, Path], overrides: Mapping[str, str], service_processes: int
    ) -> None:
        self.directory = directory
        self.port = lasting_port()
        self.processes: dict[str, ServiceProcess] = {}
        self.clocks: dict[str, SettableClock] = {}
        self._clock_numbers = itertools.count()
        self.refused_starts = 0
        self._service_processes = service_processes
        self._locks: dict[str, asyncio.Lock] = {}
        self.environ = environment(
            directory,
            **{
                "PYTHONFAULTHANDLER": "1",  # should one die of itself, its log says where
                "LADING_SERVICE__LOG_FORMAT": "json",
                "LADING_SERVICE__PORT": str(self.port),
                "LADING_DOCUMENTS_SQLITE__PATH": str(folders["database"] / "lading.sqlite3"),
                "LADING_STORAGE_LOCAL__PATH": str(folders["images"]),
                "LADING_UPLOADS__DIRECTORY": str(folders["uploads"]),
                "LADING_WORKER__SPOOL_DIRECTORY": str(folders["spool"]),
                "LADING_WORKER__SPOOL_MEMORY_BYTES": "8192",
                "LADING_WORKER__LEASE": str(LEASE),
                "LADING_WORKER__BLOCKING_LIMIT": "1.5",
                "LADING_WORKER__PER_ISSUER": "32",
                "LADING_WORKER__PER_HOST": "32",
                "LADING_WORKER__RETRY_BASE": "0.2",
                "LADING_WORKER__RETRY_MAX": "2",
                "LADING_WEBHOOKS__RETRY_BASE": "0.2",
                "LADING_WEBHOOKS__TIMEOUT": "3",
                "LADING_WEBHOOKS__PER_HOST": "32",
                "LADING_WEBHOOKS__ENDPOINT_CACHE": "1",
                **overrides,
            },
        )
        (directory / "service.conf").write_text(CONF, encoding="utf-8")

    @property
    def is_supervised(self) -> bool:
        return self._service_processes > 1

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def machine(self) -> list[str]:
        """The names of what goes by a clock that can be set: on SQLite everything has one time; on MongoDB the worker
        may be a machine of its own. (A supervisor keeps from its children what repairs libfaketime, PYTHONPATH.)
        """
        return ["worker"] if self.is_supervised else list(NAMES)

    def give_clocks(self, names: Iterable[str]) -> None:
        """Have these go by clocks that can be set, once they are started again."""
        for name in names:
            number = next(self._clock_numbers)
            self.clocks[name] = SettableClock(self.directory / f"clock-{number}")

    def take_clocks(self, names: Iterable[str]) -> None:
        """Have these go by the right time, once they are started again."""
        for name in names:
            self.clocks.pop(name, None)

    def start(self, name: str) -> None:
        """Start ``service`` or ``worker`` and wait until it listens or works; AssertionError where it does not."""
        is_service = name == "service"
        command = ("serve", "--processes", str(self._service_processes)) if is_service else ("worker",)
        environ = self.environ | (self.clocks[name].environment if name in self.clocks else {})
        process = ServiceProcess((*command, "--config", str(self.directory / "service.conf")), environ)
        try:
            process.wait_for("listening" if is_service else "working")
        except BaseException:
            process.kill(patience=1)
            _keep_log(name, process)
            raise
        self.processes[name] = process

    async def kill_and_start(self, name: str, rng: random.Random) -> None:
        """``kill -9``, and start it again until that works, as a service manager does."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name in self.processes:
                await in_thread(self.kill, name)
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            give_up = time.monotonic() + PATIENCE
            while True:
                try:
                    await in_thread(self.start, name)
                except AssertionError:
                    self.refused_starts += 1
                    if time.monotonic() > give_up:
                        raise
                    await asyncio.sleep(0.3)
                else:
                    return

    def dead(self) -> dict[str, str]:
        """What has ended by itself, and with which status and last words."""
        ended = {name: one for name, one in self.processes.items() if one.process.poll() is not None}
        return {name: f"{name} has ended: {one.process.returncode}, {one.lines[-1:]}" for name, one in ended.items()}

    def kill(self, name: str) -> None:
        """``kill -9``, without a last word."""
        process = self.processes.pop(name)
        pids = [process.process.pid, *process.children]
        process.kill(patience=1)
        forget(pids)
        _keep_log(name, process)

    def kill_a_child(self, rng: random.Random, of: str) -> bool:
        """``kill -9`` of one process that decodes or saves images, if there is one now."""
        children = [pid for parent in self.servers() for pid in children_of(parent)]
        return kill_one(rng, [pid for pid in children if of in command_of(pid)])

    def kill_a_served_process(self, rng: random.Random) -> bool:
        """``kill -9`` of one process behind a supervisor, which is to start another."""
        service = self.processes.get("service")
        return service is not None and kill_one(rng, children_of(service.process.pid))

    def servers(self) -> list[int]:
        """Pids of the processes that run imports."""
        pids = {name: process.process.pid for name, process in self.processes.items()}
        supervisor = pids.pop("service") if self.is_supervised and "service" in pids else None
        return [*pids.values(), *(children_of(supervisor) if supervisor is not None else ())]

    def one_server(self, rng: random.Random) -> list[int]:
        servers = self.servers()
        return [rng.choice(servers)] if servers else []

    def everything(self) -> list[int]:
        """Pids of all processes, with those that decode and save."""
        tree = [process.process.pid for process in self.processes.values()]
        for pid in tree:
            tree += children_of(pid)
        return tree

    async def freeze(self, pids: Iterable[int], seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while; some may be killed meanwhile."""
        frozen = list(pids)
        try:
            for pid in frozen:
                send(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            for pid in frozen:
                send(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End everything that still runs, politely; each must end well."""
        for name in tuple(self.processes):
            process = self.processes.pop(name)
            status = process.terminate()
            _keep_log(name, process)
            assert status == 0, name

    def abandon(self) -> None:
        """End everything, whatever its state; for a test that has failed already."""
        for name in tuple(self.processes):
            self.kill(name)


async def in_thread(function: Callable[..., object], *arguments: Any) -> None:
    """Run what blocks beside the loop, which is the origin's and the clients'."""
    await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def lasting_port() -> int:
    """A port that nobody is given for a connection while the service that listens on it is away (ip(7))."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(first // 2, first)
        with contextlib.closing(socket.socket()) as listening, contextlib.suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


def _keep_log(name: str, process: ServiceProcess) -> None:
    if LOGS:
        with (Path(LOGS) / f"{name}.jsonl").open("a") as file:
            file.writelines(json.dumps({"process": process.process.pid, **line}) + "\n" for line in process.lines)
