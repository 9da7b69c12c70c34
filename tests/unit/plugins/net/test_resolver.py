import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from lading.plugins.errors import AddressNotAllowed, DnsFailed, HostNotFound
from lading.plugins.net import resolver
from lading.plugins.net.addresses import AddressPolicy
from lading.plugins.net.resolver import HostResolver, Lookup, system_lookup

LOOPBACK = AddressPolicy(allow_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class BlockedLookup:
    """A name service that does not answer before it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        self.release.wait(30)
        return ("192.88.98.1",)


def fixed(*addresses: str) -> Lookup:
    return lambda _: addresses


def failing(error: Exception) -> Lookup:
    def look_up(_: str) -> tuple[str, ...]:
        raise error

    return look_up


@pytest.mark.gen_test
async def test_the_system_knows_localhost(executor: ThreadPoolExecutor) -> None:
    found = await HostResolver(LOOPBACK, 5, executor, system_lookup).resolve("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found


@pytest.mark.gen_test
async def test_localhost_is_denied_by_default(executor: ThreadPoolExecutor) -> None:
    with pytest.raises(AddressNotAllowed):
        await HostResolver(AddressPolicy(), 5, executor, system_lookup).resolve("localhost")


@pytest.mark.gen_test
async def test_public_addresses_are_given_in_their_order_and_not_too_many(executor: ThreadPoolExecutor) -> None:
    addresses = ("2606:4700::1111", *(f"1.1.1.{number}" for number in range(20)))
    found = await HostResolver(AddressPolicy(), 5, executor, fixed(*addresses)).resolve("example.org")
    assert found == addresses[: resolver.MAX_ADDRESSES]


@pytest.mark.parametrize("denied", ["127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0", "64:ff9b::a00:1"])
@pytest.mark.gen_test
async def test_one_denied_address_refuses_the_host(executor: ThreadPoolExecutor, denied: str) -> None:
    addresses = (*(f"1.1.1.{number}" for number in range(20)), denied)
    with pytest.raises(AddressNotAllowed) as caught:
        await HostResolver(AddressPolicy(), 5, executor, fixed(*addresses)).resolve("example.org")
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
async def test_failures_are_told_apart(executor: ThreadPoolExecutor, lookup: Lookup, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"example\.org"):
        await HostResolver(AddressPolicy(), 5, executor, lookup).resolve("example.org")


@pytest.mark.gen_test
async def test_a_lookup_that_takes_too_long_is_given_up(executor: ThreadPoolExecutor) -> None:
    lookup = BlockedLookup()
    with pytest.raises(DnsFailed, match="no answer within"):
        await HostResolver(AddressPolicy(), 0.05, executor, lookup).resolve("example.org")
    lookup.release.set()


@pytest.mark.gen_test
async def test_concurrent_lookups_of_one_host_are_made_once_and_cancelled_apart(executor: ThreadPoolExecutor) -> None:
    lookup = BlockedLookup()
    host_resolver = HostResolver(AddressPolicy(allow_networks=()), 5, executor, lookup)
    tasks = [asyncio.create_task(host_resolver.resolve("example.org")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert tasks[0].cancelled()
    lookup.release.set()
    assert await asyncio.gather(*tasks[1:]) == [("192.88.98.1",)] * 4
    assert lookup.asked == ["example.org"]
    assert not host_resolver._pending


@pytest.mark.gen_test
async def test_lookups_do_not_pile_up(executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAX_PENDING", 3)
    lookup = BlockedLookup()
    host_resolver = HostResolver(AddressPolicy(), 5, executor, lookup)
    tasks = [asyncio.create_task(host_resolver.resolve(f"{number}.example")) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(DnsFailed, match="under way"):
        await host_resolver.resolve("one-more.example")
    lookup.release.set()
    await asyncio.gather(*tasks)
    assert await host_resolver.resolve("one-more.example")


@pytest.mark.gen_test
async def test_a_shut_down_executor_ends_lookups_with_an_error(executor: ThreadPoolExecutor) -> None:
    lookup = BlockedLookup()
    host_resolver = HostResolver(AddressPolicy(), 5, executor, lookup)
    tasks = [asyncio.create_task(host_resolver.resolve(f"{number}.example")) for number in range(4)]
    await asyncio.sleep(0)
    executor.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(DnsFailed, match="closed"):
        await host_resolver.resolve("later.example")
    lookup.release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, (tuple, DnsFailed)) for result in results)
    assert isinstance(results[-1], DnsFailed)


@pytest.mark.gen_test
async def test_a_late_failure_that_nobody_waits_for_is_not_reported_as_lost(executor: ThreadPoolExecutor) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    release = threading.Event()

    def look_up(_: str) -> tuple[str, ...]:
        release.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    host_resolver = HostResolver(AddressPolicy(), 0.05, executor, look_up)
    with contextlib.suppress(DnsFailed):
        await host_resolver.resolve("example.org")
    release.set()
    while host_resolver._pending:
        await asyncio.sleep(0.01)
    assert not reported
