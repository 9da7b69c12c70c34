"""Calls of every method of a store, in an order in which each finds something, so that it sends all its statements."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count

from lading.service.documents import DocumentStore
from lading.service.documents.queue import OPEN, Selection
from lading.service.documents.search import Filter, Position
from lading.service.models import Held, Import, Status
from lading.service.models.clock import truncate_to_milliseconds
from tests.conformance.documents.cases.base import FAILURE, IMAGE, LEASE, SECOND, SettableClock, make_import
from tests.conformance.documents.cases.lifecycle import CALLS
from tests.conformance.documents.cases.records import make_record

Call = Callable[[], Awaitable[object]]
MANY = 40
"""Imports of one issuer: enough for a long queue, whose head the MongoDB store reads by itself."""


def make_documents(clock: SettableClock) -> Iterator[Import]:
    """Queued imports of two issuers, with all that an import may be found by."""
    params = {"album_id": "album", "metadata": {"name": "value"}, "url": "http://origin.example/image.png"}
    for number in range(MANY + 2):
        issuer_id = "many" if number < MANY else "few"
        yield make_import(clock, id=f"import-{number:02}", issuer_id=issuer_id, params=params, batch_id="batch")


async def scenario(store: DocumentStore, clock: SettableClock) -> AsyncIterator[tuple[str, Call]]:
    """The name of a method, as of ``CALLS``, and a call of it. Each has ended before the next one is asked for."""
    documents = list(make_documents(clock))
    numbers = count()
    for document in documents:
        yield "add", partial(store.add, document)
    yield "register", lambda: store.register("runner", LEASE)
    claimed: list[Import] = []

    async def claim(**options: object) -> None:
        claimed.extend(await store.claim("runner", 4, **options))  # type: ignore[arg-type]

    yield "claim", claim
    yield "claim", lambda: claim(exclude_issuers=["few"], exclude_hosts=["another.example"], per_issuer=2)
    source = replace(IMAGE, source="5" * 64, mirror="mirror")
    one, other, third, fourth, *_ = claimed
    done = one.succeeded(replace(source, key=one.own_key), "url", clock.now())
    yield "update", lambda: store.update(done)
    unstored = other.succeeded(replace(IMAGE, key=other.own_key), "url", clock.now())
    yield "update_unless_stored", lambda: store.update_unless_stored(unstored, ["another"])
    shared = third.referring(replace(source, key=one.own_key), clock.now())
    yield "update", lambda: store.update(shared)
    failed = fourth.failed(FAILURE, "url", clock.now())
    yield "update", lambda: store.update(failed)
    for name, call in CALLS.items():
        if name not in {"recover", "release", "remove"}:
            yield name, partial(call, store)
    image_id = done.image_id or ""
    yield "get_by_image", lambda: store.get_by_image(image_id)
    yield "heir", lambda: store.heir(one.own_key)
    for held in Held:
        yield "images_in", partial(store.images_in, "local", held, "", 10, "organization")
    yield "count_images_in", lambda: store.count_images_in("local", "organization")
    yield "unfinished", lambda: store.unfinished(10, "many")
    async for named in _searches(store, clock):
        yield named
    async for named in _records(store, clock):
        yield named
    yield "remove", lambda: store.remove(done)
    clock.move(2 * LEASE)
    yield "register", lambda: store.register(f"worker-{next(numbers)}", LEASE)
    yield "recover", lambda: store.recover(10)
    yield "release", lambda: store.release("runner")


async def _searches(store: DocumentStore, clock: SettableClock) -> AsyncIterator[tuple[str, Call]]:
    moment = clock.now()
    after = Position(moment, "import-20")
    filters = [
        Filter("organization"),
        Filter("organization", albums=("album",)),
        Filter(
            "organization", albums=("album", "another"), created_from=moment - SECOND, created_before=moment + SECOND
        ),
        Filter("organization", status=Status.QUEUED),
        Filter("organization", status=Status.DONE),
        Filter("organization", metadata=("name", "value")),
        Filter("organization", batch_id="batch"),
    ]
    for wanted in filters:
        yield "search.list", partial(store.search.list, wanted, 5)
        yield "search.list", partial(store.search.list, wanted, 5, after)
    yield "search.albums", lambda: store.search.albums("organization", 5, "", ["album"])
    yield "search.by_sha256", lambda: store.search.by_sha256("organization", IMAGE.sha256, ["album"])
    yield "search.by_source", lambda: store.search.by_source("organization", "5" * 64, ["album"])
    numbered = f"{int(moment.timestamp() * 1000)}-import-00"
    position = (await store.search.changed_since("organization", "", 5)).position
    yield "search.changed_since", lambda: store.search.changed_since("organization", position, 5)
    yield "search.changed_since", lambda: store.search.changed_since("organization", numbered, 5)
    for status in (Status.DONE, Status.FAILED, Status.CANCELLED):
        yield "search.ended", partial(store.search.ended, status, moment + SECOND, 5)
        place = Position(truncate_to_milliseconds(moment), "import-00")
        yield "search.ended", partial(store.search.ended, status, moment + SECOND, 5, place)
    for status in OPEN:
        wanted_of = Selection(status, "many", "origin.example", "fetch_timeout", moment - SECOND)
        yield "queue.summary", partial(store.queue.summary, wanted_of)
        yield "queue.entries", partial(store.queue.entries, wanted_of, 5)


async def _records(store: DocumentStore, clock: SettableClock) -> AsyncIterator[tuple[str, Call]]:
    now = truncate_to_milliseconds(clock.now())
    bounded = make_record(clock, "bounded", due_at=now)
    yield "records.add", lambda: store.records.add(bounded, at_most=5)
    expired = make_record(clock, "expired", expires_at=now)
    yield "records.add", lambda: store.records.add(expired)
    yield "records.replace", lambda: store.records.replace(bounded.changed(due_at=now))
    yield "records.list", lambda: store.records.list("kind", "owner", 5, after="a", descending=True)
    yield "records.due", lambda: store.records.due("kind", now, 5)
    yield "records.drop_expired", lambda: store.records.drop_expired(5)
