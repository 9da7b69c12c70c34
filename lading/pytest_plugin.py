"""The pytest plugin of the kit: runs the cases of suites, tells on a terminal which one takes long, has fixtures for
authors, and prints what is unsupported.

It is active wherever Lading is installed, so it imports nothing of weight before it is asked for something.
"""

import inspect
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .plugins.testing.clouds.processes import GcsEndpoint, S3Endpoint
    from .plugins.testing.images import Sample
    from .plugins.testing.origin import Origin


# A case that fails shows the values that it compared. This names the package and imports nothing of it.
pytest.register_assert_rewrite("lading.plugins.testing")

NEWS_SECONDS: Final = 10.0
"""How long a case runs before the terminal tells of it, and between two lines about it."""
_TERMINAL: Final = pytest.StashKey[str]()


@pytest.fixture
def hostile_origin() -> "Iterator[Origin]":
    """An HTTP server on loopback, in a thread: it behaves as its ``routes`` say, and answers 404 to all else."""
    from .plugins.testing.origin import Origin, origin_in_thread

    with origin_in_thread(Origin()) as origin:
        yield origin


@pytest.fixture(scope="session")
def sample_images() -> "Mapping[str, Sample]":
    """Good images of every format, by name, each with what is to be said of it."""
    from .plugins.testing import images

    return images.samples()


@pytest.fixture(scope="session")
def broken_images() -> Mapping[str, bytes]:
    """Images cut in half (``png-truncated``), bombs (``png-bomb``), and what is no image (``html``), by name."""
    from .plugins.testing import images

    return {**images.broken(), **images.NOT_IMAGES}


def pytest_configure(config: pytest.Config) -> None:
    """Remember the terminal: while a test runs, pytest captures what is written to standard output."""
    with suppress(OSError, ValueError, AttributeError):
        if sys.stdout.isatty():
            config.stash[_TERMINAL] = os.ttyname(sys.stdout.fileno())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a suite's case; leave every other test to others."""
    kit = sys.modules.get("lading.plugins.testing.suite")
    if kit is None or not isinstance(pyfuncitem.instance, kit.Suite):
        return None
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if pyfuncitem.instance.not_started is not None:
        pytest.skip(f"not run, since running() fails: {pyfuncitem.instance.not_started}")
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    with _news(pyfuncitem, pyfuncitem.instance.case_seconds * kit.slowness()):
        kit.run_case(pyfuncitem.instance, pyfuncitem.obj(**arguments))
    return True


@contextmanager
def _news(item: pytest.Function, limit: float) -> Iterator[None]:
    """On a terminal, a line now and then about a case that takes long: how long it has run, and when it is ended."""
    terminal = item.config.stash.get(_TERMINAL, None)
    if terminal is None:
        yield
        return
    ended = threading.Event()

    def tell() -> None:
        seconds = 0.0
        while not ended.wait(NEWS_SECONDS):
            seconds += NEWS_SECONDS
            line = f"{item.nodeid} runs for {seconds:.0f} s; the kit ends it after {limit:.0f} s"
            with suppress(OSError), Path(terminal).open("w", encoding="utf-8") as screen:
                screen.write(f"\n{line}\n")

    # A daemon: where a case blocks the process for ever, a signal still ends it.
    thread = threading.Thread(target=tell, name="lading news", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print, once for each suite, what its plugin does not support, and why."""
    found: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        _, marker, reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "").partition(
            "unsupported: "
        )
        if marker:
            line = f"{report.nodeid.rpartition('::')[0]}: {reason}"
            found[line] = found.get(line, 0) + 1
    if found:
        terminalreporter.section("unsupported by plugins")
        for line, count in sorted(found.items()):
            terminalreporter.line(f"{line} ({count} cases skipped)")


@pytest.fixture(scope="session")
def s3_endpoint() -> "Iterator[S3Endpoint]":
    """A server that speaks S3, in a process of its own; ``new_bucket()`` gives an empty bucket."""
    from .plugins.testing.clouds import processes as clouds

    with clouds.serving(clouds.S3Endpoint) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def gcs_endpoint() -> "Iterator[GcsEndpoint]":
    """A server that speaks Google Cloud Storage's JSON API, likewise."""
    from .plugins.testing.clouds import processes as clouds

    with clouds.serving(clouds.GcsEndpoint) as endpoint:
        yield endpoint
