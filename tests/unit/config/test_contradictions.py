"""Options that contradict each other across sections: what keeps a process from starting, and what is only told."""

from pathlib import Path

import pytest

from lading.service.config import load_all
from lading.service.config.contradictions import refusals, refusals_of_worker, warnings

MEMORY = "documents.backend=memory"


def loaded(folder: Path, options: str) -> tuple[list[str], list[str], list[str]]:
    """What is told of ``section.key=value`` options: refusals of a service, of a worker alone, and warnings."""
    sections: dict[str, list[str]] = {}
    for option in options.split():
        name, _, value = option.partition("=")
        section, _, key = name.rpartition(".")
        sections.setdefault(section, []).append(f"{key} = {value}")
    path = folder / "service.conf"
    text = "".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())
    path.write_text(text, encoding="utf-8")
    settings, components = load_all(path, {})
    told = (refusals(settings), refusals_of_worker(settings), warnings(settings, components))
    service, worker, warned = ([str(fault).removeprefix(f"{path}: ") for fault in faults] for faults in told)
    return service, worker, warned


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ("", []),
        ("service.processes=2", []),
        ("worker.enabled=false", []),
        (MEMORY, []),
        ("storage.backend=memory", []),
        (f"{MEMORY} service.processes=2", ["[documents] backend: is memory: several processes cannot share it"]),
        ("storage.backend=memory service.processes=2", ["[storage] backend: is memory: several"]),
        ("storage.mirror=memory service.processes=2", ["[storage] mirror: is memory: several"]),
        ("storage.others=memory service.processes=2", ["[storage] others: is memory: several"]),
        ("storage.backend=quick storage.quick.plugin=memory service.processes=2", ["[storage] backend: is memory"]),
        (f"{MEMORY} worker.enabled=false", ["[documents] backend: is memory: [worker] enabled = false"]),
        ("storage.backend=memory worker.enabled=false", ["[storage] backend: is memory: [worker] enabled = false"]),
    ],
)
def test_what_is_held_in_memory_is_in_one_process(tmp_path: Path, options: str, refused: list[str]) -> None:
    service, _, _ = loaded(tmp_path, options)
    assert len(service) == len(refused)
    assert all(found.startswith(begin) for found, begin in zip(service, refused, strict=True))


@pytest.mark.parametrize(
    ("options", "count"), [("", 0), (MEMORY, 1), ("storage.backend=memory", 1), (f"{MEMORY} storage.backend=memory", 2)]
)
def test_a_worker_alone_reaches_no_memory_of_another_process(tmp_path: Path, options: str, count: int) -> None:
    assert len(loaded(tmp_path, options)[1]) == count


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ("", ""),
        ("fetch.deadline=90", ""),
        (
            "fetch.deadline=89",
            "[fetch] deadline: is shorter than total_timeout of [fetch.http] (60 s) and 30 s of waits",
        ),
        ("fetch.http.total_timeout=91", "fetch] deadline: is shorter than total_timeout of [fetch.http] (91 s)"),
        ("worker.blocking_limit=15", ""),
        ("worker.blocking_limit=16", "[worker] blocking_limit: is longer than half of lease: Lading cuts a plugin off"),
        ("worker.lease=9 documents.sqlite.busy_timeout=1", "Make lease at least 10, or blocking_limit at most 4.5"),
        (
            "documents.sqlite.busy_timeout=30",
            "[documents.sqlite] busy_timeout: is not shorter than [worker] lease (30 s)",
        ),
        ("documents.backend=mongo documents.mongo.timeout=30", "[documents.mongo] timeout: is not shorter than"),
        ("documents.mongo.timeout=30", ""),
        ("retention.done=86400 retention.failed=86399", "[retention] failed: is shorter than [service] idempotency_"),
        ("retention.done=86400 retention.images=delete", ""),
        ("worker.concurrency=4", ""),
        ("worker.concurrency=4 worker.per_issuer=4", ""),
        (
            "worker.per_issuer=65",
            "[worker] per_issuer: is 65, and concurrency is 64: a larger per_issuer has no effect",
        ),
        ("worker.per_host=65", "[worker] per_host: is 65"),
        ("events.per_issuer=250", ""),
        ("events.per_issuer=251", "[events] per_issuer: is 251, and half of max_streams is 250"),
        ("events.heartbeat=20 events.max_duration=10", "[events] heartbeat: is 20, and max_duration is 10"),
        ("batches.max_items=100000", ""),
        ("batches.max_items=100001", "[batches] max_items: is 100001, and half of backlog of [worker] is 100000"),
        ("uploads.unfinished_bytes=200000 uploads.max_bytes=100000", ""),
        (
            "uploads.unfinished_bytes=200000 uploads.max_bytes=100001",
            "[uploads] max_bytes: is 100001, and half of unfinished_bytes is 100000",
        ),
        ("webhooks.per_host=65", "[webhooks] per_host: is 65"),
        ("webhooks.retry_base=20 webhooks.retry_total=10", "[webhooks] retry_base: is 20"),
        ("documents.backend=mongo documents.mongo.connect_timeout=6", "[documents.mongo] connect_timeout: is 6"),
        (
            "fetch.http.total_timeout=5 fetch.http.read_timeout=6",
            "[fetch.http] read_timeout: is 6, and total_timeout is 5",
        ),
        ("fetch.http.total_timeout=5", ""),
    ],
)
def test_limits_without_effect_are_told(tmp_path: Path, options: str, warned: str) -> None:
    _, _, found = loaded(tmp_path, options)
    assert (warned in "".join(found), len(found)) == (True, 1 if warned else 0), found


def test_an_override_of_a_plugin_is_judged_and_named(tmp_path: Path) -> None:
    path = tmp_path / "service.conf"
    path.write_text("[fetch.http]\ntotal_timeout = 5\n", encoding="utf-8")
    settings, components = load_all(path, {"LADING_FETCH_HTTP__READ_TIMEOUT": "6"})
    (told,) = warnings(settings, components)
    assert str(told).startswith("LADING_FETCH_HTTP__READ_TIMEOUT: [fetch.http] read_timeout: is 6, and total_timeout")
