"""Signals to real processes: reloads, ineffective signals, a stop with a delay, and an end at once."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Exchange, Origin, answer
from tests.chaos.harm.pids import children_of
from tests.support.plugins.scripted import until
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, ISSUER, Client, environment, final, token

LOGGED = {"LADING_SERVICE__LOG_FORMAT": "json", "LADING_SERVICE__PORT": "0", "LADING_WORKER__LEASE": "3"}
RELOADED = "the configuration is reloaded"
REFUSED = "the configuration is not reloaded; the running one stays"
NEW_ISSUER = "[issuer.disabled-issuer]\nenabled = true"


class Folder:
    """One configuration, and the processes that share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.conf = path / "service.conf"
        self.conf.write_text(CONF, encoding="utf-8")

    def start(self, *arguments: str, **overrides: str) -> ServiceProcess:
        command, *options = arguments
        environ = environment(self.path, **LOGGED, **overrides)
        del environ["LADING_FETCH_HTTP__ALLOW_NETWORKS"]  # the file has it, so that a reload may change it
        return ServiceProcess((command, "--config", str(self.conf), *options), environ, self.path)

    def write(self, more: str) -> None:
        self.conf.write_text(CONF.replace("\nenabled = false\n", "\n") + more, encoding="utf-8")


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.gen_test(timeout=180)
async def test_a_service_of_several_processes_and_its_signals(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    gate = asyncio.Event()
    data = jpeg()

    async def behave(exchange: Exchange) -> bool:
        await gate.wait()
        return await answer(data)(exchange)

    async with Origin(otherwise=behave, lifetime=300) as origin:
        with folder.start("serve", "--processes", "2", LADING_SERVICE__DRAIN_DELAY="600") as service:
            base = service.wait_for("supervising")["address"]
            client, other = Client(base, token()), Client(base, token(issuer="disabled-issuer"))
            await until(lambda: len(service.logged("a child process serves")) == 2)
            children = set(children_of(service.process.pid))

            # Neither does anything, to a parent or a child.
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
                for pid in (service.process.pid, *children):
                    os.kill(pid, number)
            await until(lambda: len(service.logged("a signal has no effect")) == 6)

            # A faulty file changes nothing, and is told once, by the parent.
            assert (await other.post_json({})).code == 401
            folder.write("\n[limits]\nissuer_reqests = 1\n")
            service.process.send_signal(signal.SIGHUP)
            await until(lambda: bool(service.logged(REFUSED)))
            assert "issuer_reqests" in str(service.logged(REFUSED)[0]["faults"])
            assert (await other.post_json({})).code == 401

            # What each child takes over, and what it cannot.
            folder.write(
                "\n[fetch.http]\nallow_networks = 127.0.0.0/8\n[worker]\nattempts = 3\n"
                "[limits]\nissuer_requests = 1000\norganization_stored_bytes = 1000000\n"
            )
            service.process.send_signal(signal.SIGHUP)
            await until(lambda: len(service.logged(RELOADED)) == 2)
            assert {line["pid"] for line in service.logged(RELOADED)} == children
            for line in service.logged(RELOADED):
                assert line["reloaded"] == [
                    "[fetch.http] allow_networks",
                    "[issuer.disabled-issuer]",
                    "[limits] issuer_requests",
                    "[limits] organization_stored_bytes",
                ]
            for line in service.logged("options have changed that need a restart"):
                assert line["options"] == ["[worker] attempts"]
            assert len(service.logged(REFUSED)) == 1
            for _ in range(10):
                response = await other.post_json({})
                assert (response.code, response.headers["RateLimit-Policy"]) == (200, '"issuer";q=1000;w=60')
            posted = await client.post_json({"album_id": "imported_album", "url": origin.url("/a.jpg")})
            assert posted.code == 200, posted.body
            await until(lambda: bool(origin.requests))  # the network is open

            # While it drains it says so, and serves.
            service.process.send_signal(signal.SIGTERM)
            await until(lambda: len(service.logged("draining: /readyz answers 503, and requests are served")) == 2)
            for _ in range(10):
                status, problem = HttpClient(base).get("/readyz")
                assert (status, problem["code"]) == (503, "service_stopping")
            assert HttpClient(base).get("/healthz")[0] == 200
            later = await client.post_json({"album_id": "imported_album", "url": origin.url("/b.jpg")})
            assert later.code == 200

            # A second one ends all at once.
            while service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.2)
            assert service.process.returncode == -signal.SIGTERM
            assert all(map(is_gone, children)), "they ended before the parent"
        gate.set()
        with folder.start("serve") as service:
            client = Client(service.wait_for("listening")["address"], token())
            for response in (posted, later):
                path = response.headers["Location"].rpartition("/")[2]
                assert (await final(client, path))["status"] == "done"
            assert service.terminate(number=signal.SIGQUIT) == 0


@pytest.mark.gen_test(timeout=120)
async def test_one_process_and_a_worker_reload_and_drain_too(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with (
        folder.start("serve", LADING_SERVICE__DRAIN_DELAY="0.5") as service,
        folder.start("worker", LADING_SERVICE__DRAIN_DELAY="600") as worker,
    ):
        service.wait_for("listening")
        worker.wait_for("working")
        folder.write("\n[fetch.http]\ndeny_hosts = .example.org\n")
        for process in (service, worker):
            process.process.send_signal(signal.SIGUSR1)
            process.process.send_signal(signal.SIGHUP)
            assert process.wait_for(RELOADED)["reloaded"] == ["[fetch.http] deny_hosts", "[issuer.disabled-issuer]"]
            folder.conf.rename(tmp_path / "away")
            process.process.send_signal(signal.SIGHUP)
            assert "cannot be read" in str(process.wait_for(REFUSED)["faults"])
            (tmp_path / "away").rename(folder.conf)
        assert [process.terminate(number=signal.SIGINT) for process in (service, worker)] == [0, 0]
        assert service.logged("draining: /readyz answers 503, and requests are served")
        assert not worker.logged("draining: /readyz answers 503, and requests are served"), "nobody asks it"
        assert ISSUER not in str(service.logged(RELOADED))
