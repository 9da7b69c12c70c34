"""Side by side with nginx, which serves the same bytes with the same date: status, headers and body of every answer.

Each server is asked with its own entity tag. Where RFC 9110 says otherwise than nginx, ``DIFFERENCES`` names the
section.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.service.images.content.ranges import MAX_RANGES
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import ask, noise, path_of, stored_in
from tests.support.servers.programs.nginx import nginx
from tests.support.servers.service import token

DATA = noise(5000, seed=11)
SAME, BEFORE, AFTER = (f"Fri, 02 Jan 2026 03:04:{second} GMT" for second in ("05", "04", "06"))
NAMES = ("content-length", "content-range", "content-type", "accept-ranges", "last-modified", "etag")
MANY = ",".join(f"{number}-{number}" for number in range(MAX_RANGES))

CASES: dict[str, dict[str, str]] = {
    "plain": {},
    # ranges
    "first byte": {"Range": "bytes=0-0"},
    "some": {"Range": "bytes=100-199"},
    "last byte": {"Range": "bytes=4999-4999"},
    "open": {"Range": "bytes=100-"},
    "all, open": {"Range": "bytes=0-"},
    "all": {"Range": "bytes=0-4999"},
    "past the end": {"Range": "bytes=4990-100000"},
    "suffix": {"Range": "bytes=-500"},
    "suffix of all": {"Range": "bytes=-5000"},
    "suffix longer than all": {"Range": "bytes=-9999"},
    "suffix of nothing": {"Range": "bytes=-0"},
    "beyond": {"Range": "bytes=5000-"},
    "far beyond": {"Range": "bytes=100000-200000"},
    "backwards": {"Range": "bytes=200-100"},
    "beyond any number": {"Range": "bytes=99999999999999999999-"},
    "leading zeros": {"Range": "bytes=0000000000000000000000001-2"},
    "unit in capitals": {"Range": "Bytes=0-9"},
    "spaces": {"Range": "bytes= 0 - 9 , 20 - 29 "},
    "space in a suffix": {"Range": "bytes=- 5"},
    "other unit": {"Range": "items=0-9"},
    "no unit": {"Range": "0-9"},
    "nothing": {"Range": "bytes="},
    "only a hyphen": {"Range": "bytes=-"},
    "words": {"Range": "bytes=first-last"},
    "no hyphen": {"Range": "bytes=10"},
    "two hyphens": {"Range": "bytes=1-2-3"},
    "empty member": {"Range": "bytes=0-1,,4-5"},
    "empty last member": {"Range": "bytes=0-1,"},
    # several ranges
    "two": {"Range": "bytes=0-0,10-19"},
    "two, in reverse": {"Range": "bytes=10-19,0-0"},
    "first and last": {"Range": "bytes=0-0,-1"},
    "three": {"Range": "bytes=1-100,200-300,-7"},
    "overlapping": {"Range": "bytes=0-99,50-149"},
    "the same twice": {"Range": "bytes=0-99,0-99"},
    "longer together than the whole": {"Range": "bytes=0-4999,0-0"},
    "exactly the whole": {"Range": "bytes=0-2499,2500-4999"},
    "one of two exists": {"Range": "bytes=0-9,9000-"},
    "none of two exists": {"Range": "bytes=8000-,9000-"},
    "one of two is broken": {"Range": "bytes=0-9,x"},
    "as many as allowed": {"Range": f"bytes={MANY}"},
    "more than allowed": {"Range": f"bytes={MANY},99-99"},
    "more than allowed, then broken": {"Range": f"bytes={MANY},99-99,x"},
    # If-Range
    "If-Range with the tag": {"Range": "bytes=0-9", "If-Range": "{etag}"},
    "If-Range with another tag": {"Range": "bytes=0-9", "If-Range": '"other"'},
    "If-Range with the tag, weak": {"Range": "bytes=0-9", "If-Range": "W/{etag}"},
    "If-Range with the date": {"Range": "bytes=0-9", "If-Range": SAME},
    "If-Range with an earlier date": {"Range": "bytes=0-9", "If-Range": BEFORE},
    "If-Range with a later date": {"Range": "bytes=0-9", "If-Range": AFTER},
    "If-Range with nonsense": {"Range": "bytes=0-9", "If-Range": "nonsense"},
    "If-Range with another tag, beyond": {"Range": "bytes=9000-", "If-Range": '"other"'},
    "If-Range without Range": {"If-Range": '"other"'},
    # conditions
    "If-None-Match": {"If-None-Match": "{etag}"},
    "If-None-Match, weak": {"If-None-Match": "W/{etag}"},
    "If-None-Match, any": {"If-None-Match": "*"},
    "If-None-Match, in a list": {"If-None-Match": '"a", W/"b" , {etag}, "c"'},
    "If-None-Match, other": {"If-None-Match": '"other"'},
    "If-None-Match, without quotes": {"If-None-Match": "other"},
    "If-Match": {"If-Match": "{etag}"},
    "If-Match, weak": {"If-Match": "W/{etag}"},
    "If-Match, any": {"If-Match": "*"},
    "If-Match, in a list": {"If-Match": '"a", {etag}'},
    "If-Match, other": {"If-Match": '"other"'},
    "If-Modified-Since": {"If-Modified-Since": SAME},
    "If-Modified-Since, earlier": {"If-Modified-Since": BEFORE},
    "If-Modified-Since, later": {"If-Modified-Since": AFTER},
    "If-Modified-Since, obsolete form": {"If-Modified-Since": "Friday, 02-Jan-26 03:04:05 GMT"},
    "If-Modified-Since, asctime": {"If-Modified-Since": "Fri Jan  2 03:04:05 2026"},
    "If-Modified-Since, nonsense": {"If-Modified-Since": "nonsense"},
    "If-Unmodified-Since": {"If-Unmodified-Since": SAME},
    "If-Unmodified-Since, earlier": {"If-Unmodified-Since": BEFORE},
    "If-Unmodified-Since, later": {"If-Unmodified-Since": AFTER},
    # together
    "both say not modified": {"If-None-Match": "{etag}", "If-Modified-Since": SAME},
    "other tag, same date": {"If-None-Match": '"other"', "If-Modified-Since": SAME},
    "not modified, with a range": {"If-None-Match": "{etag}", "Range": "bytes=0-9"},
    "other tag, with a range": {"If-None-Match": '"other"', "Range": "bytes=0-9"},
    "not modified, beyond": {"If-None-Match": "{etag}", "Range": "bytes=9000-"},
    "failed, with a range": {"If-Match": '"other"', "Range": "bytes=0-9"},
    "failed, beyond": {"If-Match": '"other"', "Range": "bytes=9000-"},
    "matches, with a range": {"If-Match": "{etag}", "Range": "bytes=0-9"},
    "failed and not modified": {"If-Match": '"other"', "If-None-Match": "{etag}"},
    "matches and not modified": {"If-Match": "{etag}", "If-None-Match": "{etag}"},
}

# Name: headers, method, nginx's status and ours.
DIFFERENCES: dict[str, tuple[dict[str, str], str, int, int]] = {
    "13.1.3: with If-None-Match, If-Modified-Since is ignored": (
        {"If-None-Match": "{etag}", "If-Modified-Since": BEFORE}, "GET", 200, 304,
    ),
    "13.1.4: with If-Match, If-Unmodified-Since is ignored": (
        {"If-Match": "{etag}", "If-Unmodified-Since": BEFORE}, "GET", 412, 200,
    ),
    "13.1.4: a date that cannot be read is ignored": ({"If-Unmodified-Since": "nonsense"}, "GET", 412, 200),
    "14.1.2: a last position of any length is the end": (
        {"Range": "bytes=0-99999999999999999999"}, "GET", 416, 206,
    ),
    "14.2: Range is ignored but for GET": ({"Range": "bytes=0-9"}, "HEAD", 206, 200),
    "14.2: Range is ignored but for GET, beyond the end too": ({"Range": "bytes=9000-"}, "HEAD", 416, 200),
}  # fmt: skip


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"LADING_DOCUMENTS__BACKEND": "memory"}


@pytest.fixture(scope="module")
def nginx_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    root = folder / "root"
    root.mkdir()
    (root / "photo.png").write_bytes(DATA)
    moment = int(SettableClock().now().timestamp())
    os.utime(root / "photo.png", (moment, moment))
    with nginx(folder, root, MAX_RANGES) as port:
        yield port


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str | None]
    body: bytes


class Server:
    """One of the two: where the image is, and what it is asked with."""

    def __init__(self, port: int, path: str, fixed: dict[str, str]) -> None:
        self._port = port
        self.path = path
        self._fixed = fixed
        self.etag = ""

    async def learn_etag(self) -> None:
        _, headers, _ = await ask(self._port, self.path, self._fixed)
        self.etag = headers["etag"]
        assert re.fullmatch(r'"[0-9a-f-]+"', self.etag), "a strong one"

    async def answer(self, sent: dict[str, str], method: str = "GET") -> Answer:
        fields = {name: value.replace("{etag}", self.etag) for name, value in sent.items()}
        status, headers, body = await ask(self._port, self.path, {**self._fixed, **fields}, method)
        found = {name: headers.get(name) for name in NAMES}
        if found["etag"] == self.etag:
            found["etag"] = "its own"
        media_type, is_multipart, boundary = (found["content-type"] or "").partition("; boundary=")
        if is_multipart:
            found["content-type"] = media_type
            body = body.replace(boundary.encode(), b"boundary")
        if status >= 400:  # how an error is worded is each server's own affair
            found = {"content-range": found["content-range"]}
            assert DATA[:100] not in body
            body = b""
        return Answer(status, found, body)


@pytest.fixture
def servers(http_server: object, http_port: int, nginx_port: int, clock: SettableClock) -> tuple[Server, Server]:
    authorization = {"Authorization": f"Bearer {token(clock, abilities=('image_download',))}"}
    return Server(nginx_port, "/photo.png", {}), Server(http_port, "", authorization)


async def prepare(servers: tuple[Server, Server], assembled: Assembled) -> tuple[Server, Server]:
    image = await stored_in(assembled.parts, DATA)
    theirs, ours = servers
    ours.path = path_of(image, "/content")
    for server in servers:
        await server.learn_etag()
    return theirs, ours


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.gen_test
async def test_get_answers_as_nginx_does(servers: tuple[Server, Server], assembled: Assembled, name: str) -> None:
    theirs, ours = await prepare(servers, assembled)
    expected, found = await theirs.answer(CASES[name]), await ours.answer(CASES[name])
    assert found == expected


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", [name for name, headers in CASES.items() if "Range" not in headers])
@pytest.mark.gen_test
async def test_head_answers_as_nginx_does(servers: tuple[Server, Server], assembled: Assembled, name: str) -> None:
    theirs, ours = await prepare(servers, assembled)
    expected, found = await theirs.answer(CASES[name], "HEAD"), await ours.answer(CASES[name], "HEAD")
    assert found == expected
    assert found.body == b""


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.gen_test
async def test_where_rfc_9110_says_otherwise(servers: tuple[Server, Server], assembled: Assembled, name: str) -> None:
    headers, method, theirs_is, ours_is = DIFFERENCES[name]
    theirs, ours = await prepare(servers, assembled)
    assert (await theirs.answer(headers, method)).status == theirs_is
    assert (await ours.answer(headers, method)).status == ours_is


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40
    assert len(DIFFERENCES) <= 6
