"""Counting requests."""

import asyncio

import pytest

from lading.service.api.http.in_flight import InFlight


@pytest.mark.gen_test
async def test_without_requests_there_is_nothing_to_wait_for() -> None:
    await InFlight().drained(3600)


@pytest.mark.gen_test
async def test_the_last_request_ends_the_wait() -> None:
    in_flight = InFlight()
    first, second = object(), object()
    in_flight.begin(first)
    in_flight.begin(second)
    drained = asyncio.create_task(in_flight.drained(3600))
    await asyncio.sleep(0)
    in_flight.end(first)
    in_flight.end(first)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not drained.done(), "one that ends twice does not stand for another"
    in_flight.end(second)
    await drained


@pytest.mark.gen_test
async def test_a_request_that_does_not_end_is_not_waited_for_longer_than_that() -> None:
    in_flight = InFlight()
    in_flight.begin(object())
    await in_flight.drained(0.01)


@pytest.mark.gen_test
async def test_to_end_what_never_began_changes_nothing() -> None:
    in_flight = InFlight()
    in_flight.end(object())
    await in_flight.drained(3600)
    request = object()
    in_flight.begin(request)
    in_flight.end(object())
    drained = asyncio.create_task(in_flight.drained(3600))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not drained.done()
    in_flight.end(request)
    await drained


@pytest.mark.gen_test
async def test_a_request_that_begins_again_after_all_had_ended_is_waited_for() -> None:
    in_flight = InFlight()
    request = object()
    in_flight.begin(request)
    in_flight.end(request)
    in_flight.begin(request)
    drained = asyncio.create_task(in_flight.drained(3600))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not drained.done()
    in_flight.end(request)
    await drained


@pytest.mark.gen_test
async def test_a_cancelled_wait_is_cancelled() -> None:
    in_flight = InFlight()
    in_flight.begin(object())
    drained = asyncio.create_task(in_flight.drained(3600))
    await asyncio.sleep(0)
    drained.cancel()
    await asyncio.wait((drained,))
    assert drained.cancelled()
