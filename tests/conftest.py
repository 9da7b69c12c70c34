"""Settings of every test run, and the real MongoDB that several of them share."""

import asyncio
import gc
import math
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.installed import Distributions, shared_distributions
from tests.support.servers.databases import Databases, new_name
from tests.support.servers.mongod import ReplicaSet, replica_set

LONG: Final = os.environ.get("LADING_TESTS") == "long"
ONE_STORE: Final = "sqlite"
SLOW: Final = 180
"""Seconds that a test may take which counts as slow."""

# Event loops complain of coroutines that were never awaited, and of callbacks in the wrong thread. Where each task,
# future and callback was made they note in the long form of the tests alone: it takes a fifth of the time of all.
os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
if not LONG:
    asyncio.BaseEventLoop.get_debug = lambda self: False  # type: ignore[method-assign]

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 << 30

# Files of tests, of mongod too, lie in memory where it has room, so that no fsync waits for a disk: tests kill
# processes, and cut no power. Whoever sets TMPDIR has them there.
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# How fast the machine is decides no test.
settings.register_profile(
    "lading", deadline=None, max_examples=100 if LONG else 15, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lading")

# Hypothesis mixes constants of imported modules into what it makes up. Each process of a run would read all modules for
# that, which takes seconds; the long form of the tests alone does. No setting turns it off.
if not LONG:
    with suppress(ImportError):
        from hypothesis.internal.conjecture import providers

        providers.is_local_module_file = lambda _path: False  # type: ignore[assignment,attr-defined]


# Each client of S3 would read botocore's descriptions of all services anew, which takes a tenth of a second.
with suppress(ImportError):
    from botocore import session

    session.create_loader = cache(session.create_loader)


def pytest_xdist_auto_num_workers() -> int:
    """Two processes for each core: much of what tests do is to wait for other processes, and for time limits."""
    return 2 * (os.cpu_count() or 1)


if os.environ.get("LADING_TESTS") == "none":

    def pytest_pycollect_makeitem() -> list[pytest.Item]:
        """Import the modules alone, which leaves their bytecode for all processes of the next run: see the Makefile."""
        return []


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Do not look for garbage meanwhile: hundreds of thousands of objects come, and all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # nor later: each full collection would walk through all of them
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests to the long form: those marked ``long_form``, and ``one_store`` on all document stores but one.

    Of the cases of a test that is ``sampled(n)`` one of each n runs, and so of a module's tests that are ``one_in(n)``.
    """
    if not LONG:
        others = _left_to_the_long_form(items)
        config.hook.pytest_deselected(items=others)
        left_out = set(others)
        items[:] = [item for item in items if item not in left_out]
    # What takes minutes comes first, or all would wait for it in the end: whole modules, which share what they set up.
    slow = {item.path for item in items if _patience(item) >= SLOW}
    items.sort(key=lambda item: item.path not in slow)


def _left_to_the_long_form(items: list[pytest.Item]) -> list[pytest.Item]:
    """What the short form leaves out. The tests and their order alone decide: all processes leave out the same."""
    of_tests, of_modules = defaultdict[str, list[pytest.Item]](list), defaultdict[str, list[pytest.Item]](list)
    left = []
    for item in items:
        if item.get_closest_marker("long_form") or (item.get_closest_marker("one_store") and _store(item) != ONE_STORE):
            left.append(item)
        elif item.get_closest_marker("sampled"):
            of_tests[item.nodeid.partition("[")[0]].append(item)
        elif item.get_closest_marker("one_in"):
            of_modules[item.nodeid.partition("::")[0]].append(item)
    for name, groups in (("sampled", of_tests), ("one_in", of_modules)):
        for group in groups.values():
            sample = _spread(group, _number(group[0], name))
            left += [item for item in group if item not in sample]
    return left


def _spread(items: list[pytest.Item], n: int) -> set[pytest.Item]:
    """One of each n, evenly spread: the first is among them, and the last where there are several."""
    last, steps = len(items) - 1, max(1, math.ceil(len(items) / n) - 1)
    return {items[step * last // steps] for step in range(math.ceil(len(items) / n))}


def _number(item: pytest.Item, name: str) -> int:
    """The argument of a mark."""
    marker = item.get_closest_marker(name)
    assert marker is not None
    number: int = marker.args[0]
    return number


def _patience(item: pytest.Item) -> float:
    """Seconds that a test may take, where it says so itself."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0.0


def _store(item: pytest.Item) -> str:
    """The document store of a test of ``tests/api``."""
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["overrides"])


def pytest_collection_finish() -> None:
    """Have Hypothesis import its reader of regular expressions, which it does when one is first used.

    In the midst of a test, with other threads at work, that has failed (SystemError: AST constructor recursion depth
    mismatch).
    """
    st.from_regex(r"a").validate()


@pytest.fixture(scope="session", autouse=True)
def _loop_of_the_thread() -> Iterator[None]:
    """Close the event loop that is the main thread's own.

    Tornado asks for it before it makes the loop of the first test, and asyncio then makes one that nobody closes.
    """
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        yield


@pytest.fixture(scope="session")
def mongo_set() -> Iterator[ReplicaSet]:
    """One replica set for each process of the test run.

    A store that is closed waits until the server's answer about news has come: the tests close hundreds of them.
    """
    with replica_set() as running, pytest.MonkeyPatch.context() as patch:
        patch.setattr("lading.service.documents.mongo.news.AWAIT_MILLISECONDS", 100)
        yield running


@pytest.fixture(scope="session")
def mongo_databases(mongo_set: ReplicaSet) -> Iterator[Databases]:
    """Databases that tests of this process use one after another."""
    with mongo_set.client() as client, closing(Databases(client)) as databases:
        yield databases


@pytest.fixture
def mongo_environ(mongo_set: ReplicaSet) -> Iterator[dict[str, str]]:
    """Overrides that put documents into a database of the test's own, dropped after it."""
    name = new_name()
    yield _in_mongo(mongo_set, name)
    with mongo_set.client() as client:
        client.drop_database(name)


@pytest.fixture
def mongo_environ_lent(mongo_set: ReplicaSet, mongo_databases: Databases) -> Iterator[dict[str, str]]:
    """Overrides that put documents into an empty database, for tests that leave no process which uses it."""
    with mongo_databases.lent() as name:
        yield _in_mongo(mongo_set, name)


def _in_mongo(mongo_set: ReplicaSet, name: str) -> dict[str, str]:
    return {
        "LADING_DOCUMENTS__BACKEND": "mongo",
        "LADING_DOCUMENTS_MONGO__URI": mongo_set.uri,
        "LADING_DOCUMENTS_MONGO__DATABASE": name,
    }


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist of this tree and the wheel of that, built once for all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    return shared_distributions((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "distributions")
