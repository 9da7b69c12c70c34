"""The servers that the kit starts for storages in clouds."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lading.plugins.testing.clouds.processes import PAGE, REGION, Endpoint, GcsEndpoint, S3Endpoint, serving

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
    with pytest.raises(outcome, match=r"lading\[testing-clouds\]"), serving(kind):
        pytest.fail("nothing can be started")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_imports_nothing_from_the_working_directory(
    kind: type[Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('this is not the json that was meant')\n")
    monkeypatch.chdir(tmp_path)
    with serving(kind) as endpoint:
        assert endpoint.new_bucket()


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


def asked(url: str, method: str = "GET") -> bytes:
    signature = f"AWS4-HMAC-SHA256 Credential=testing/20200101/{REGION}/s3/aws4_request"
    body = b"x" if method != "GET" else None
    request = urllib.request.Request(url, body, {"Authorization": signature}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        content: bytes = response.read()
        return content


def test_s3_lists_in_pages(s3_endpoint: S3Endpoint) -> None:
    place = f"{s3_endpoint.url}/{s3_endpoint.new_bucket()}"
    for number in range(PAGE + 1):
        asked(f"{place}/{number}", "PUT")
    page = asked(f"{place}?list-type=2")
    assert (page.count(b"<Key>"), b"<IsTruncated>true<" in page) == (PAGE, True)


def test_gcs_lists_in_pages(gcs_endpoint: GcsEndpoint) -> None:
    bucket = gcs_endpoint.new_bucket()
    for number in range(PAGE + 1):
        asked(f"{gcs_endpoint.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=o{number:02}", "POST")
    place = f"{gcs_endpoint.url}/storage/v1/b/{bucket}/o"
    first = json.loads(asked(f"{place}?maxResults=1000"))
    second = json.loads(asked(f"{place}?pageToken={first['nextPageToken']}"))
    assert [len(page["items"]) for page in (first, second)] == [PAGE, 1]
    assert "nextPageToken" not in second
    assert len(json.loads(asked(f"{place}?maxResults=3&prefix=o"))["items"]) == 3
