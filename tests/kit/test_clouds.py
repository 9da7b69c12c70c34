"""The servers that the kit starts for storages in clouds."""

import importlib.util
import subprocess
import sys

import pytest

from lading.plugins.testing.clouds.processes import Endpoint, GcsEndpoint, S3Endpoint, serving

KINDS = [S3Endpoint, GcsEndpoint]


@pytest.mark.parametrize("fixture", ["s3_endpoint", "gcs_endpoint"])
def test_buckets_are_new_each_time(request: pytest.FixtureRequest, fixture: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(fixture)
    assert endpoint.url.startswith("http://127.0.0.1:")
    assert endpoint.new_bucket() != endpoint.new_bucket()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("required", "outcome"), [("mongo", pytest.skip.Exception), ("mongo,{}", pytest.fail.Exception)]
)
def test_without_its_package_a_server_is_skipped_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, kind: type[Endpoint], required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("LADING_REQUIRE", required.format(kind.name))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(outcome, match=r"lading\[testing\]"), serving(kind):
        pytest.fail("nothing can be started")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_ends_with_those_who_started_it(kind: type[Endpoint]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", kind.module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert int(server.stdout.readline()) > 0
        server.stdin.close()
        assert server.wait(30) == 0
