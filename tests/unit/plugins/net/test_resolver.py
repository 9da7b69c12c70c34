import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from lading.plugins.errors import AddressNotAllowed, DnsFailed, FetcherBusy, HostNotFound
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.net import resolver
from lading.plugins.net.addresses import AddressPolicy
from lading.plugins.net.resolver import LOOKUPS, LOOKUPS_PER_TENANT, HostResolver
from lading.plugins.net.system import Lookup, SystemNames

LOOPBACK = AddressPolicy(allow_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


class BlockedLookup:
    """A name service that answers nothing but ``healthy`` names before it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if not host.startswith("healthy"):
            self.release.wait(30)
        return ("192.88.98.1",)


def fixed(*addresses: str) -> Lookup:
    return lambda _: addresses


def failing(error: Exception) -> Lookup:
    def look_up(_: str) -> tuple[str, ...]:
        raise error

    return look_up


def asking(lookup: Lookup | None = None, policy: AddressPolicy | None = None, timeout: float = 60) -> HostResolver:
    return HostResolver(policy or AddressPolicy(), timeout, SystemNames(lookup) if lookup else SystemNames())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.gen_test
async def test_the_system_knows_localhost() -> None:
    found = await asking(policy=LOOPBACK).resolve("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found


@pytest.mark.gen_test
async def test_localhost_is_denied_by_default() -> None:
    with pytest.raises(AddressNotAllowed):
        await asking().resolve("localhost")


@pytest.mark.gen_test
async def test_public_addresses_are_given_in_their_order_and_not_too_many() -> None:
    addresses = ("2606:4700::1111", *(f"1.1.1.{number}" for number in range(20)))
    found = await asking(fixed(*addresses)).resolve("example.org")
    assert found == addresses[: resolver.MAX_ADDRESSES]


@pytest.mark.parametrize("denied", ["127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0", "64:ff9b::a00:1"])
@pytest.mark.gen_test
async def test_one_denied_address_refuses_the_host(denied: str) -> None:
    addresses = (*(f"1.1.1.{number}" for number in range(20)), denied)
    with pytest.raises(AddressNotAllowed) as caught:
        await asking(fixed(*addresses)).resolve("example.org")
    assert denied in caught.value.internal
    assert denied not in caught.value.detail


@pytest.mark.parametrize(
    ("lookup", "error"),
    [
        (failing(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), HostNotFound),
        (failing(socket.gaierror(socket.EAI_NODATA, "No address")), HostNotFound),
        (fixed(), HostNotFound),
        (failing(socket.gaierror(socket.EAI_AGAIN, "Try again")), DnsFailed),
        (failing(socket.gaierror(socket.EAI_FAIL, "Failure")), DnsFailed),
        (failing(OSError(24, "Too many open files")), DnsFailed),
        (failing(UnicodeError("label too long")), DnsFailed),
    ],
)
@pytest.mark.gen_test
async def test_failures_are_told_apart(lookup: Lookup, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"example\.org"):
        await asking(lookup).resolve("example.org")


@pytest.mark.gen_test
async def test_a_lookup_that_takes_too_long_is_given_up() -> None:
    lookup = BlockedLookup()
    with pytest.raises(DnsFailed, match="no answer within"):
        await asking(lookup, timeout=0.05).resolve("example.org")
    lookup.release.set()


@pytest.mark.gen_test
async def test_no_tenant_holds_all_places_even_with_look_ups_that_it_has_left() -> None:
    lookup = BlockedLookup()
    host_resolver = asking(lookup)

    async def of(tenant: str, host: str) -> tuple[str, ...]:
        with on_behalf_of(tenant):
            return await host_resolver.resolve(host)

    # In waves: each leaves its look-ups, which block their threads all the same.
    hog: list[asyncio.Task[tuple[str, ...]]] = []
    for wave in range(3):
        hog += [asyncio.create_task(of("hog", f"silent-{wave}-{number}.test")) for number in range(LOOKUPS)]
        await until(lambda: len(lookup.asked) == LOOKUPS_PER_TENANT)
        for task in hog:
            task.cancel()
        await asyncio.wait(hog)
    assert len(lookup.asked) == LOOKUPS_PER_TENANT
    hog = [asyncio.create_task(of("hog", f"silent-{number}.test")) for number in range(LOOKUPS)]
    guests = [of("guest", f"healthy-{number}.test") for number in range(3 * LOOKUPS)]
    assert await asyncio.gather(*guests) == [("192.88.98.1",)] * 3 * LOOKUPS
    lookup.release.set()
    await asyncio.gather(*hog)
    assert not host_resolver._turns._held


@pytest.mark.gen_test
async def test_who_finds_no_place_in_time_is_told_that_the_service_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = BlockedLookup()
    host_resolver = asking(lookup)
    tasks = [asyncio.create_task(host_resolver.resolve(f"{number}.test")) for number in range(LOOKUPS_PER_TENANT)]
    await until(lambda: len(lookup.asked) == LOOKUPS_PER_TENANT)
    monkeypatch.setattr(resolver, "own_wait", lambda: contextlib.nullcontext(0.01))
    with pytest.raises(FetcherBusy, match=r"more\.test"):
        await host_resolver.resolve("more.test")
    lookup.release.set()
    await asyncio.gather(*tasks)
    assert await host_resolver.resolve("more.test")


@pytest.mark.gen_test
async def test_closing_ends_look_ups_with_an_error() -> None:
    lookup = BlockedLookup()
    names = SystemNames(lookup)
    host_resolver = HostResolver(AddressPolicy(), 60, names)
    tasks = [asyncio.create_task(host_resolver.resolve(f"{number}.test")) for number in range(3)]
    await until(lambda: len(lookup.asked) == len(tasks))
    names.close()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, DnsFailed)
    lookup.release.set()


@pytest.mark.gen_test
async def test_where_no_thread_is_left_the_service_is_busy_and_the_place_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    host_resolver = asking(fixed("1.1.1.1"))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(LOOKUPS + 1):
            with pytest.raises(FetcherBusy):
                await host_resolver.resolve("example.org")
    assert await host_resolver.resolve("example.org") == ("1.1.1.1",)


@pytest.mark.gen_test
async def test_a_late_failure_that_nobody_waits_for_is_not_reported_as_lost() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    release = threading.Event()

    def look_up(_: str) -> tuple[str, ...]:
        release.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    host_resolver = asking(look_up, timeout=0.05)
    with contextlib.suppress(DnsFailed):
        await host_resolver.resolve("example.org")
    release.set()
    await until(lambda: not host_resolver._turns._held)
    assert not reported
