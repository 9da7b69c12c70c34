import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dns.rcode
import pycares
import pytest

from lading.plugins.errors import DnsFailed, FetchError, HostNotFound
from lading.plugins.net.ares import USES, AresNames
from lading.plugins.net.system import SystemNames, system_lookup
from tests.support.servers.names import SILENT, Answer, NameServer

ALIASES = ["CNAME b.test.", "b.test@CNAME c.test.", "c.test@A 192.0.2.7"]
MANY = [f"A 1.1.{number >> 8}.{number & 255}" for number in range(3000)]


class Ended:
    """Counts the look-ups that have ended."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def names_of(server: NameServer, timeout: float = 60, **options: Any) -> AsyncIterator[AresNames]:
    """What asks this server alone, as a machine without search domains, unless others are given."""
    given = {"servers": [server.address], "domains": [], **options}
    names = AresNames(timeout, lambda **usual: pycares.Channel(**{**usual, **given}))
    try:
        yield names
    finally:
        names.close()


async def look_up(names: AresNames, host: str) -> set[str]:
    ended = Ended()
    try:
        return set(await names.look_up(host, ended))
    finally:
        assert ended.count == 1


@pytest.mark.parametrize(
    ("host", "answer", "found"),
    [
        ("both.test", ["A 192.0.2.1", "AAAA 2001:db8::1"], {"192.0.2.1", "2001:db8::1"}),
        ("six.test", ["AAAA 2001:db8::1"], {"2001:db8::1"}),
        ("under_score.test", ["A 192.0.2.2"], {"192.0.2.2"}),
        ("xn--bcher-kva.test", ["A 192.0.2.3"], {"192.0.2.3"}),
        ("a.test", ALIASES, {"192.0.2.7"}),
        ("single", ["A 192.0.2.4"], {"192.0.2.4"}),
        ("mapped.test", ["AAAA ::ffff:10.0.0.1"], {"::ffff:10.0.0.1"}),
        ("mixed.test", ["A 1.1.1.1", "A 10.0.0.1"], {"1.1.1.1", "10.0.0.1"}),
    ],
)
@pytest.mark.gen_test
async def test_addresses_are_told_as_the_name_server_gives_them(host: str, answer: list[str], found: set[str]) -> None:
    async with NameServer({host: answer}) as server, names_of(server) as names:
        assert await look_up(names, host) == found


@pytest.mark.gen_test
async def test_an_answer_of_thousands_comes_whole_and_over_tcp() -> None:
    async with NameServer({"many.test": MANY}) as server, names_of(server) as names:
        assert len(await look_up(names, "many.test")) == len(MANY)
        assert server.over_tcp


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (dns.rcode.NXDOMAIN, HostNotFound),
        ([], HostNotFound),
        (["CNAME nowhere.test."], HostNotFound),
        (dns.rcode.SERVFAIL, DnsFailed),
        (dns.rcode.REFUSED, DnsFailed),
        (dns.rcode.NOTIMP, DnsFailed),
        (b"", DnsFailed),
        (b"\x81\x80", DnsFailed),
        (b"\x81\x80" + b"\xff" * 300, DnsFailed),
        # A question that points at itself, and an answer that ends within its address.
        (b"\x81\x80\0\x01\0\x01\0\0\0\0\xc0\x0c\0\x01\0\x01", DnsFailed),
        (
            b"\x81\x80\0\x01\0\x01\0\0\0\0\x03bad\x04test\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a",
            DnsFailed,
        ),
        (SILENT, DnsFailed),
    ],
    ids=repr,
)
@pytest.mark.gen_test
async def test_failures_are_told_apart(answer: Answer, error: type[FetchError]) -> None:
    async with NameServer({"bad.test": answer}) as server, names_of(server, timeout=0.3, tries=1) as names:
        with pytest.raises(FetchError, match=r"bad\.test") as caught:
            await look_up(names, "bad.test")
    assert type(caught.value) is error


@pytest.mark.gen_test
async def test_search_domains_and_ndots_hold_as_the_system_has_them() -> None:
    zone: dict[str, Answer] = {"host.corp.test": ["A 192.0.2.5"], "a.b.corp.test": ["A 192.0.2.6"]}
    async with NameServer(zone) as server:
        async with names_of(server, domains=["corp.test"], ndots=2) as names:
            assert await look_up(names, "host") == {"192.0.2.5"}
            assert await look_up(names, "a.b") == {"192.0.2.6"}
        assert server.asked[0][0] == "host.corp.test"


class OtherHosts(pycares.Channel):
    """Reads the file that CARES_HOSTS names in place of /etc/hosts: ARES_AI_ENVHOSTS."""

    def getaddrinfo(self, host: str, port: int | None, **options: Any) -> None:
        super().getaddrinfo(host, port, flags=1 << 8, **options)


@pytest.mark.gen_test
async def test_the_hosts_file_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.9 listed.test alias.test # comment\n2001:db8::9 listed.test\n")
    monkeypatch.setenv("CARES_HOSTS", str(hosts))
    async with NameServer({"listed.test": ["A 192.0.2.1"]}) as server:
        names = AresNames(60, partial(OtherHosts, servers=[server.address]))
        assert await look_up(names, "listed.test") == {"192.0.2.9", "2001:db8::9"}
        assert await look_up(names, "alias.test") >= {"192.0.2.9"}
        assert server.asked == []
        names.close()


@pytest.mark.gen_test
async def test_localhost_is_as_the_system_has_it_and_onion_is_nowhere() -> None:
    async with NameServer({}, otherwise=["A 1.1.1.1"]) as server, names_of(server) as names:
        assert await look_up(names, "localhost") == set(system_lookup("localhost"))
        assert await look_up(names, "any.localhost") <= {"127.0.0.1", "::1"}
        with pytest.raises(HostNotFound):
            await look_up(names, "abc.onion")
        assert server.asked == []


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.gen_test
async def test_a_look_up_that_is_cancelled_ends_alone_and_at_once() -> None:
    async with NameServer({"good.test": ["A 192.0.2.1"]}, otherwise=SILENT) as server, names_of(server) as names:
        ended = Ended()
        tasks = [asyncio.create_task(names.look_up(f"{number}.test", ended)) for number in range(3)]
        await until(lambda: len({host for host, _ in server.asked}) == 3)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        assert ended.count == 1
        assert await look_up(names, "good.test") == {"192.0.2.1"}
        names.close()
        for result in await asyncio.gather(*tasks[1:], return_exceptions=True):
            assert isinstance(result, DnsFailed)
            assert result.internal == "the resolver was closed"
        assert ended.count == 3


@pytest.mark.gen_test
async def test_a_channel_serves_few_look_ups_and_is_closed_with_the_rest() -> None:
    made: list[pycares.Channel] = []

    def make(**options: Any) -> pycares.Channel:
        made.append(pycares.Channel(servers=[server.address], **options))
        return made[-1]

    async with NameServer({}, otherwise=["A 192.0.2.1"]) as server:
        names = AresNames(60, make)
        for number in range(2 * USES):
            await look_up(names, f"{number}.test")
        assert len(made) == 2
        names.close()
    for channel in made:
        with pytest.raises(RuntimeError, match="destroyed"):
            channel.cancel()


@pytest.mark.gen_test
async def test_where_no_channel_can_be_made_the_system_is_asked() -> None:
    def refuse(**_: Any) -> pycares.Channel:
        raise pycares.AresError("Failed to initialize c-ares channel")

    names = AresNames(60, refuse, SystemNames(lambda _: ("192.0.2.1",)))
    assert await look_up(names, "any.test") == {"192.0.2.1"}
    names.close()


LEFT = """
import asyncio
from functools import partial
import pycares
from lading.plugins.net.ares import AresNames
from tests.support.servers.names import SILENT, NameServer

async def leave():
    async with NameServer({}, otherwise=SILENT) as server:
        names = AresNames(60, partial(pycares.Channel, servers=[server.address]))
        task = asyncio.create_task(names.look_up("any.test", lambda: None))
        while not server.asked:
            await asyncio.sleep(0.005)
        task.cancel()
        return names

names = asyncio.run(leave())
"""
QUIET = {**os.environ, "PYTHONASYNCIODEBUG": ""}
"""On a busy machine, asyncio's debug mode tells of slow turns."""


def test_a_process_that_ends_during_a_look_up_ends_in_silence() -> None:
    ended = subprocess.run([sys.executable, "-c", LEFT], env=QUIET, capture_output=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
