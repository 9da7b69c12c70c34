"""What operators do to many imports: whose imports are left out, and why."""

from typing import Any

import pytest

from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.documents.queue import entry_of
from lading.service.errors.catalogue import ApiError
from lading.service.imports.bulk import CONCURRENCY, MAX_CODE, Act, Bulk, Tally, parse_code, parse_host
from lading.service.models import Failure, Import, Status
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import make_import

FAILURE = Failure("fetch_timeout", "Too slow.", retryable=True)
EACH = 3 * CONCURRENCY


class Refusing:
    """Refuses imports of some issuers with a code, and counts what it is asked for."""

    def __init__(self, refusals: dict[str, str]) -> None:
        self.refusals = refusals
        self.asked: list[str] = []

    async def retry(self, document: Import) -> Import:
        self.asked.append(document.issuer_id)
        if code := self.refusals.get(document.issuer_id):
            raise ApiError(code)
        return document


async def retried(refusals: dict[str, str]) -> tuple[Tally, list[str]]:
    clock = SettableClock()
    store = MemoryDocumentStore(clock)
    await store.open()
    documents = [
        make_import(clock, issuer_id=issuer, status=Status.FAILED, error=FAILURE)
        for _ in range(EACH)
        for issuer in ("hog", "guest")
    ]
    for document in documents:
        await store.add(document)
    lives: Any = Refusing(refusals)
    tally = await Bulk(store, lives).run(Act.RETRY, map(entry_of, documents), lambda _: None)
    return tally, lives.asked


@pytest.mark.gen_test
async def test_an_issuer_whose_share_is_used_up_stops_its_own_retries_alone() -> None:
    tally, asked = await retried({"hog": "backlog_full"})
    assert tally.done == EACH == asked.count("guest")
    assert 1 <= tally.refused["backlog_full"] <= CONCURRENCY, "only imports that were under way are refused too"
    assert asked.count("hog") == tally.refused["backlog_full"]


@pytest.mark.gen_test
async def test_a_database_that_is_away_stops_all() -> None:
    tally, asked = await retried({"hog": "documents_unavailable"})
    assert tally.refused["documents_unavailable"] >= 1
    assert len(asked) <= 2 * CONCURRENCY


@pytest.mark.gen_test
async def test_a_refusal_of_a_single_import_stops_nothing() -> None:
    tally, asked = await retried({"hog": "secrets_dropped"})
    assert (tally.done, tally.refused["secrets_dropped"], len(asked)) == (EACH, EACH, 2 * EACH)


LABEL = "a" * 63
LONGEST_HOST = ".".join([LABEL, LABEL, LABEL, "b" * 61])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("IMAGES.example.org", "images.example.org"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("a.example.", "a.example"),
        ("my_bucket", "my_bucket"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8:0::1]", "2001:db8::1"),
        (LONGEST_HOST, LONGEST_HOST),
    ],
)
def test_a_host_is_read_as_documents_have_it(text: str, host: str) -> None:
    assert (parse_host(text), parse_host(host)) == (host, host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "a b",
        "a\nb",
        "a\u00adb",
        "a\ud800",
        "a@b",
        "a/b",
        "a%2fb",
        "a*b",
        "a.example:80",
        "[::1",
        "::1]",
        "[::1]:80",
        "fe80::1%eth0",
        "1.2.3.999",
        LABEL + "a",
        LONGEST_HOST + "b",
        "x" * 65_000,
        ":" * 65_000,
    ],
)
def test_other_texts_are_no_hosts_whatever_their_length(text: str) -> None:
    with pytest.raises(ValueError, match=r"^this is not a host such as") as caught:
        parse_host(text)
    assert len(str(caught.value)) < 100, "nobody wants to read such a text again"


@pytest.mark.parametrize("text", ["fetch_timeout", "my.plugin:oops", "x" * MAX_CODE])
def test_a_code_is_what_plugins_name_it(text: str) -> None:
    assert parse_code(text) == text


@pytest.mark.parametrize("text", ["", "a\nb", "\x1b[2J", "\ud800", "x" * (MAX_CODE + 1)])
def test_a_code_is_short_and_printable(text: str) -> None:
    with pytest.raises(ValueError, match=r"^this is not an error code"):
        parse_code(text)
