"""Imports in every state, and the transitions between them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lading.service.models import Failure, Image, Import, Status

NOW = datetime(2026, 2, 3, 4, 5, 6, 789_999, tzinfo=UTC)
NOW_IN_MILLISECONDS = NOW.replace(microsecond=789_000)
LATER = NOW + timedelta(seconds=90)
FAILURE = Failure(code="fetch_timeout", detail="The origin was too slow.", retryable=True)
IMAGE = Image(
    format="PNG",
    content_type="image/png",
    width=2,
    height=1,
    frames=1,
    orientation=6,
    notes=("tail_missing",),
    byte_size=70,
    sha256="00" * 32,
    storage="local",
    key="ab/cd/abcd",
)

# Each transition, the only state that it leads out of, and the one that it leads to.
TRANSITIONS: dict[str, tuple[Callable[[Import], Import], Status, Status]] = {
    "claimed": (lambda document: document.claimed("worker", NOW), Status.QUEUED, Status.RUNNING),
    "succeeded": (lambda document: document.succeeded(IMAGE, "url", NOW), Status.RUNNING, Status.DONE),
    "failed": (lambda document: document.failed(FAILURE, "url", NOW), Status.RUNNING, Status.FAILED),
    "requeued": (lambda document: document.requeued(FAILURE, LATER, NOW), Status.RUNNING, Status.QUEUED),
    "handed_back": (lambda document: document.handed_back(LATER, NOW), Status.RUNNING, Status.QUEUED),
    "recovered": (lambda document: document.recovered(NOW), Status.RUNNING, Status.QUEUED),
    "receiving": (lambda document: document.receiving("worker", NOW), Status.WAITING, Status.RUNNING),
    "expired": (lambda document: document.expired(FAILURE, NOW), Status.WAITING, Status.FAILED),
    "duplicated": (lambda document: document.duplicated(IMAGE, "url", NOW), Status.RUNNING, Status.DONE),
    "image_deleted": (lambda document: document.image_deleted(NOW), Status.DONE, Status.DONE),
}
BIRTH = ("id", "organization_id", "issuer_id", "params", "created_at", "host")


def make_import(status: Status = Status.QUEUED, **params: Any) -> Import:
    created_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Import(
        id="f60ae96b-2681-4885-8437-356e9fae9f6e",
        organization_id="organization",
        issuer_id="issuer",
        params=params,
        created_at=created_at,
        updated_at=created_at,
        run_at=created_at,
        status=status,
    )


def running() -> Import:
    return replace(
        make_import(Status.RUNNING, url="http://a/"), attempts=3, abandoned=1, revision=5, worker_id="worker"
    )
