import asyncio
import gc
import threading
from typing import Any

import pytest

from lading.backends.threads import Threads, finished
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.testing.cancellation import attempt


@pytest.mark.gen_test
async def test_a_result_and_an_error() -> None:
    threads = Threads(2, "test")
    assert await threads.run(divmod, 7, 2) == (3, 1)
    assert isinstance(await attempt(threads.run(divmod, 7, 0)), ZeroDivisionError)
    await threads.close()


@pytest.mark.gen_test
async def test_a_cancelled_call_is_waited_for() -> None:
    threads = Threads(1, "test")
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.set()

    task = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert done.is_set()
    await threads.close()


@pytest.mark.gen_test
async def test_a_cancelled_call_that_waits_for_its_turn_is_not_made() -> None:
    threads = Threads(1, "test")
    go_on = threading.Event()
    made: list[int] = []
    busy = asyncio.create_task(threads.run(go_on.wait, 10))
    task = asyncio.create_task(threads.run(made.append, 1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    go_on.set()
    assert await busy
    await threads.close()
    assert made == []


@pytest.mark.gen_test
async def test_the_error_of_a_call_whose_caller_has_left_is_seen() -> None:
    """Lading leaves a call that does not end in time; the call's error is then nobody's, and asyncio would log it."""
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    threads, go_on = Threads(1, "test"), threading.Event()

    def work() -> None:
        go_on.wait(10)
        raise OSError

    call = threads.run(work)
    call.send(None)
    call.close()
    go_on.set()
    await threads.close()
    del call
    gc.collect()
    assert not unseen


@pytest.mark.gen_test
async def test_issuers_take_turns_and_close_waits_for_those_that_wait() -> None:
    threads = Threads(1, "test")
    go_on = threading.Event()
    served: list[str] = []
    busy = asyncio.create_task(threads.run(go_on.wait, 10))
    await asyncio.sleep(0)
    tasks = []
    for issuer in ("hog",) * 20 + ("guest",):
        with on_behalf_of(issuer):
            tasks.append(asyncio.create_task(threads.run(served.append, issuer)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(threads.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(busy, closing, *tasks)
    assert (len(served), served.index("guest")) == (21, 1)


@pytest.mark.gen_test
async def test_close_waits_and_may_be_repeated() -> None:
    threads = Threads(1, "test")
    go_on = threading.Event()
    busy = asyncio.create_task(threads.run(go_on.wait, 10))
    await asyncio.sleep(0)
    closing = [asyncio.create_task(threads.close()) for _ in range(2)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*closing)
    assert busy.done()
    assert isinstance(await attempt(threads.run(divmod, 1, 1)), RuntimeError)


@pytest.mark.gen_test
@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_comes_too_late_for_what_succeeds(fails: bool) -> None:
    hurried = asyncio.Event()

    async def work() -> str:
        await hurried.wait()
        if fails:
            raise OSError
        return "result"

    task = asyncio.create_task(finished(work(), hurried.set))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled() is fails
    assert fails or task.result() == "result"


@pytest.mark.gen_test
async def test_an_error_after_the_caller_has_left_is_nobody_s_complaint() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        raise OSError("too late")

    call = finished(work(), lambda: None)
    call.send(None)
    call.close()  # as a guard does that waits no longer
    go_on.set()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
