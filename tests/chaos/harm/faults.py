"""What is done to a deployment: kills, freezes, disks that are full or read-only, clocks that step, a database away."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.chaos.audit.databases import Database
from tests.chaos.harm.disks import Disk
from tests.chaos.harm.rig import LEASE, Deployment, in_thread
from tests.support.servers.mongod import ReplicaSet
from tests.support.servers.programs.nats_server import NatsServer

Fault = Callable[[], Awaitable[None]]
HOUR = 3600


@dataclass
class Faults:
    """Makes faults. Each returns when it is over.

    Attributes:
        long: whether faults may take their time.
        can_step: whether clocks can be set.
    """

    deployment: Deployment
    disks: Mapping[str, Disk]
    database: Database
    rng: random.Random
    long: bool
    can_step: bool
    _clocks: asyncio.Lock = field(default_factory=asyncio.Lock)

    def kills(self) -> dict[str, Fault]:
        """What may be killed, by its name in the figures."""
        found: dict[str, Fault] = {
            "services": lambda: self.deployment.kill_and_start("service", self.rng),
            "workers": lambda: self.deployment.kill_and_start("worker", self.rng),
            "decoding children": lambda: self._kill_a_child("detectors"),
            "saving children": lambda: self._kill_a_child("local"),
        }
        if self.deployment.is_supervised:
            found["processes of a service"] = self._kill_a_served_process
        return found

    def on_processes(self) -> dict[str, Fault]:
        """Freezes that outlast a lease, and clocks that step."""
        found: dict[str, Fault] = {
            "freezes of a process": self._freeze_one,
            "freezes of all processes": self._freeze_all,
        }
        if self.can_step:
            found["steps of an hour ahead"] = lambda: self._step(HOUR)
            found["steps of an hour back"] = lambda: self._step(-HOUR)
        return found

    def on_disks(self) -> dict[str, Fault]:
        """Full and read-only disks."""
        found: dict[str, Fault] = {}
        for name, disk in self.disks.items():
            found[f"full disk: {name}"] = lambda name=name, disk=disk: self._fill(name, disk)  # type: ignore[misc]
            # The files of a database stay open: only this keeps them from being written.
            harm = disk.immutable if name == "database" else disk.read_only
            found[f"read-only disk: {name}"] = lambda harm=harm: self._harm(harm)  # type: ignore[misc]
        return found

    async def _kill_a_child(self, of: str) -> None:
        for _ in range(50):
            if self.deployment.kill_a_child(self.rng, of):
                return
            await asyncio.sleep(0.1)

    async def _kill_a_served_process(self) -> None:
        for _ in range(50):
            if self.deployment.kill_a_served_process(self.rng):
                return
            await asyncio.sleep(0.1)

    async def _freeze_one(self) -> None:
        await self.deployment.freeze(self.deployment.one_server(self.rng), self._beyond_a_lease())

    async def _freeze_all(self) -> None:
        await self.deployment.freeze(self.deployment.everything(), self._beyond_a_lease())

    def _beyond_a_lease(self) -> float:
        return LEASE + self.rng.uniform(1.0, 5.0 if self.long else 1.5)

    async def _fill(self, name: str, disk: Disk) -> None:
        if name == "database":
            await in_thread(self.database.shrink)
        await self._harm(disk.full)

    async def _harm(self, harm: Callable[[], AbstractContextManager[None]]) -> None:
        harmed = harm()
        await in_thread(harmed.__enter__)
        try:
            await asyncio.sleep(self.rng.uniform(1.0, 4.0) if self.long else 1.0)
        finally:
            await in_thread(harmed.__exit__, None, None, None)

    async def _step(self, seconds: int) -> None:
        """Set the clocks of a machine, kill some of the time who goes by them, and set them right again."""
        async with self._clocks:
            names = self.deployment.machine
            self.deployment.give_clocks(names)
            await self._restart(names)
            self._set(names, seconds)
            await asyncio.sleep(self.rng.uniform(2.5, 5.0) if self.long else 2.5)
            if self.rng.random() < 0.5:
                await self.deployment.kill_and_start(self.rng.choice(names), self.rng)
            self._set(names, 0)
            await asyncio.sleep(1.5)
            self.deployment.take_clocks(names)
            await self._restart(names)

    async def _restart(self, names: list[str]) -> None:
        await asyncio.gather(*(self.deployment.kill_and_start(name, self.rng) for name in names))

    def _set(self, names: list[str], seconds: int) -> None:
        for name in names:
            self.deployment.clocks[name].set(seconds)


def on_mongod(mongo: ReplicaSet, rng: random.Random, *, long: bool) -> dict[str, Fault]:
    """What is done to the database itself."""

    async def freeze() -> None:
        mongo.node.pause()
        try:
            await asyncio.sleep(rng.choice((5.0, 5.0, 5.0, 12.0, 30.0)) if long else 5.0)
        finally:
            mongo.node.resume()

    async def restart() -> None:
        await in_thread(mongo.restart)
        await in_thread(mongo.wait_for_primary)

    async def step_down() -> None:
        await in_thread(mongo.step_down)
        await in_thread(mongo.wait_for_primary)

    return {"freezes of mongod": freeze, "restarts of mongod": restart, "step-downs of mongod": step_down}


@dataclass
class BrokerFaults:
    """What is done to the broker that dispatches, one after another.

    Attributes:
        long: whether a freeze takes 10 seconds.
    """

    server: NatsServer
    long: bool
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def kill(self) -> None:
        """SIGKILL, and start it again on what it has stored."""
        async with self._turn:
            await in_thread(self.server.kill)
            await in_thread(self.server.start)

    async def empty(self) -> None:
        """SIGKILL, and start it again on nothing."""
        async with self._turn:
            await in_thread(self.server.empty)

    async def freeze(self) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        async with self._turn:
            self.server.pause()
            try:
                await asyncio.sleep(10.0 if self.long else 3.0)
            finally:
                self.server.resume()
