"""The suites of the built-in plugins: found by entry point, and started from what is configured."""

import gc
from importlib.metadata import entry_points
from ipaddress import IPv4Network

import pytest

from lading.plugins.fetchers.data import DataOptions
from lading.plugins.fetchers.http.options import HttpOptions, PortRange
from lading.plugins.suites import DataSuite, HttpSuite
from lading.plugins.testing import FetcherSuite, ProcessorSuite, StorageBackendSuite, TypeDetectorSuite
from lading.plugins.testing.suite import Suite, only_garbage_of_its_own, run_case

KINDS: dict[str, tuple[str, type[Suite]]] = {
    "fetch": ("lading.fetchers", FetcherSuite),
    "detect": ("lading.detectors", TypeDetectorSuite),
    "process": ("lading.processors", ProcessorSuite),
    "storage": ("lading.storages", StorageBackendSuite),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_plugin_has_a_suite(kind: str) -> None:
    group, suite = KINDS[kind]
    built_in = [point.name for point in entry_points(group=group) if point.dist and point.dist.name == "lading"]
    assert built_in
    for name in built_in:
        (point,) = entry_points(group="lading.suites", name=f"{kind}.{name}")
        assert issubclass(point.load(), suite)


class ConfiguredHttp(HttpSuite):
    """Most of this is too little for the cases."""

    configured = HttpOptions(
        user_agent="Mine",
        ports=(PortRange(443, 443),),
        deny_networks=(IPv4Network("127.0.0.0/8"), IPv4Network("192.0.2.0/24")),
        connections=1,
        max_redirects=0,
        url_max_bytes=16,
        max_bytes=1,
    )


def test_http_is_tried_with_what_is_configured() -> None:
    suite = ConfiguredHttp()
    for case in (suite.test_what_is_sent, suite.test_a_chain_of_redirects, suite.test_the_same_source_twice_at_once):
        run_case(suite, case())
        assert {request.headers["user-agent"] for request in suite.origin.requests} == {"Mine"}


class ConfiguredData(DataSuite):
    configured = DataOptions(max_bytes=1)


def test_data_is_tried_with_room_for_the_cases() -> None:
    suite = ConfiguredData()
    run_case(suite, suite.test_every_byte_of_the_largest_arrives())


def test_collections_pass_over_what_was_there_until_the_outermost_block_ends() -> None:
    with only_garbage_of_its_own():
        with only_garbage_of_its_own():
            pass
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("number", [1, 2])
def test_each_case_passes_over_what_was_there_before(number: int) -> None:
    """Also where the case fails; and a second time."""

    async def case() -> None:
        assert gc.get_freeze_count() > 0
        raise ValueError("as the case wants it")

    with pytest.raises(ValueError, match="as the case wants it"):
        run_case(ConfiguredData(), case())
    assert gc.get_freeze_count() == 0
