"""Options that contradict each other, across sections. Every command that starts or checks a service asks here.

``refusals`` keep a process from starting. ``warnings`` name limits that another limit makes void: the service works,
and not as the options say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ...plugins.host.waits import MAX_WAIT
from ...plugins.options import PluginOptions
from .components import Components
from .faults import Fault
from .sections.service import Settings


def refusals(settings: Settings) -> list[Fault]:
    """Why ``lading serve`` does not start with these settings; empty if it does."""
    if settings.service.processes > 1:
        return _held_in_memory(settings, "several processes cannot share it")
    if not settings.worker.enabled:
        return _held_in_memory(settings, "[worker] enabled = false, and no other process can reach it")
    return []


def refusals_of_worker(settings: Settings) -> list[Fault]:
    """Why ``lading worker`` does not start with these settings; empty if it does."""
    return _held_in_memory(settings, "a worker is another process, which cannot reach it")


def _held_in_memory(settings: Settings, problem: str) -> list[Fault]:
    """The parts that one process keeps to itself."""
    storage = settings.storage
    kept = [("documents", "backend")] if settings.documents.backend == "memory" else []
    kept += [
        ("storage", storage.naming(one)) for one in storage.names if settings.plugin_of("storage", one) == "memory"
    ]
    return [settings.fault(f"is memory: {problem}", section, key) for section, key in kept]


def warnings(settings: Settings, components: Components) -> list[Fault]:
    """Each limit that has no effect beside another one; empty if all have."""
    found = [rule for rule in (*_rules(settings), *_rules_of_fetchers(settings, components)) if rule.applies]
    found += [
        _Rule(one.section, one.key, True, one.problem)
        for one in (*_bounds(settings), *_bounds_of_fetchers(components))
        # A default above a lower bound is as it should be.
        if one.value > one.bound and (one.section, one.key) in settings.places
    ]
    return [settings.fault(rule.problem, rule.section, rule.key) for rule in found]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A relation of two limits.

    Attributes:
        section, key: the option that has to change.
        applies: whether the limits contradict each other.
        problem: the contradiction, and its end.
    """

    section: str
    key: str
    applies: bool
    problem: str


@dataclass(frozen=True, slots=True)
class _Bound:
    """A limit within another limit.

    Attributes:
        section, key, value: the inner limit.
        outer, bound: name and value of the outer limit.
    """

    section: str
    key: str
    value: float
    outer: str
    bound: float

    @property
    def problem(self) -> str:
        """The contradiction."""
        return f"is {self.value:.15g}, and {self.outer} is {self.bound:.15g}: a larger {self.key} has no effect"


def _rules(settings: Settings) -> Iterator[_Rule]:
    worker = settings.worker
    half = worker.lease / 2
    yield _Rule(
        *("worker", "blocking_limit", worker.blocking_limit > half),
        f"is longer than half of lease: Lading cuts a plugin off after {half:g} s. Make lease at least "
        f"{2 * worker.blocking_limit:g}, or blocking_limit at most {half:g}",
    )
    remembered = settings.service.idempotency_lifetime
    for key, kept in settings.retention.model_dump(include={"done", "failed", "cancelled"}).items():
        yield _Rule(
            *("retention", key, kept is not None and kept < remembered),
            f"is shorter than [service] idempotency_lifetime ({remembered:g} s): a request that is repeated after the"
            " removal of its import is refused with import_deleted",
        )
    for section, key, seconds in _patience(settings):
        yield _Rule(
            *(section, key, seconds >= worker.lease),
            f"is not shorter than [worker] lease ({worker.lease:g} s): a worker that waits so long for the database "
            f"loses its imports to others. Make lease longer than {seconds:g}",
        )


def _patience(settings: Settings) -> Iterator[tuple[str, str, float]]:
    """How long an operation of the configured database may take."""
    if settings.documents.backend == "sqlite":
        yield "documents.sqlite", "busy_timeout", settings.documents_sqlite.busy_timeout
    if settings.documents.backend == "mongo":
        yield "documents.mongo", "timeout", settings.documents_mongo.timeout


def _rules_of_fetchers(settings: Settings, components: Components) -> Iterator[_Rule]:
    for section, total, _ in _timed_fetchers(components):
        needed = total + MAX_WAIT
        yield _Rule(
            *("fetch", "deadline", settings.fetch.deadline < needed),
            f"is shorter than total_timeout of [{section}] ({total:g} s) and {MAX_WAIT:g} s of waits together: Lading "
            f"ends fetches that the fetcher allows. Make deadline at least {needed:g}",
        )


def _bounds(settings: Settings) -> Iterator[_Bound]:
    worker, events, batches, hooks = settings.worker, settings.events, settings.batches, settings.webhooks
    uploads = settings.uploads
    yield _Bound("worker", "per_issuer", worker.per_issuer, "concurrency", worker.concurrency)
    yield _Bound("worker", "per_host", worker.per_host, "concurrency", worker.concurrency)
    yield _Bound("events", "per_issuer", events.per_issuer, "half of max_streams", events.max_streams // 2)
    yield _Bound("events", "heartbeat", events.heartbeat, "max_duration", events.max_duration)
    yield _Bound("batches", "max_items", batches.max_items, "half of backlog of [worker]", worker.backlog // 2)
    yield _Bound("uploads", "max_bytes", uploads.max_bytes, "half of unfinished_bytes", uploads.unfinished_bytes // 2)
    yield _Bound("webhooks", "per_host", hooks.per_host, "concurrency", hooks.concurrency)
    yield _Bound("webhooks", "retry_base", hooks.retry_base, "retry_total", hooks.retry_total)
    if settings.documents.backend == "mongo":
        mongo = settings.documents_mongo
        yield _Bound("documents.mongo", "connect_timeout", mongo.connect_timeout, "timeout", mongo.timeout)


def _bounds_of_fetchers(components: Components) -> Iterator[_Bound]:
    for section, total, options in _timed_fetchers(components):
        for key in ("dns_timeout", "connect_timeout", "head_timeout", "read_timeout"):
            seconds = getattr(options, key, None)
            if isinstance(seconds, int | float):
                yield _Bound(section, key, seconds, "total_timeout", total)


def _timed_fetchers(components: Components) -> Iterator[tuple[str, float, PluginOptions]]:
    """The section, ``total_timeout`` and options of each fetcher that has this option, whoever wrote the fetcher."""
    for component in components.fetchers:
        total = getattr(component.options, "total_timeout", None)
        if isinstance(total, int | float):
            yield f"fetch.{component.plugin.name}", total, component.options
