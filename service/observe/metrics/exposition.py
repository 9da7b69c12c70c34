"""The metrics as Prometheus reads them: the only module that knows its library.

It merges the ledgers of all processes of a service, and adds what the system tells of each process.
"""

import math
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .families import BUILD, BY_NAME, FAMILIES, Family, Kind
from .ledger import PID, SUPERVISOR, Board, Entry

Numbers = Mapping[tuple[str, ...], tuple[float, ...]]
"""The numbers of a family's series, by the values of their labels."""


def exposed(board: Board, accept: str) -> tuple[bytes, str]:
    """All metrics as text, and its media type. Blocks for milliseconds; may run in any thread.

    Args:
        board: of the service.
        accept: the ``Accept`` header of the scrape, by which the text is OpenMetrics' or Prometheus' own.
    """
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(board))
    return encode(registry), media_type


class _Everything(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Every family with its series."""
        merged: dict[str, dict[tuple[str, ...], tuple[float, ...]]] = {family.name: {} for family in FAMILIES}
        pids: dict[str, int] = {}
        for number in range(self._board.processes):
            for entry in self._board.entries(number):
                if entry.family == PID:
                    pids["supervisor" if number == SUPERVISOR else str(number)] = int(entry.values[0])
                elif entry.family in merged:
                    _merge(merged[entry.family], entry)
        merged[BUILD.name] = {(version("lading"), platform.python_version()): (1.0,)}
        for family in FAMILIES:
            yield _metric(family, merged[family.name])
        yield from process_metrics(pids)


def _merge(numbers: dict[tuple[str, ...], tuple[float, ...]], entry: Entry) -> None:
    """Add the numbers of one process to those of the others."""
    family = BY_NAME[entry.family]
    if any(map(math.isnan, entry.values)):
        return
    present = numbers.get(entry.labels)
    if present is None:
        numbers[entry.labels] = entry.values
    elif family.is_shared:
        numbers[entry.labels] = max(present, entry.values)
    else:
        numbers[entry.labels] = tuple(map(sum, zip(present, entry.values, strict=True)))


def _metric(family: Family, numbers: Numbers) -> Metric:
    if family.kind is Kind.HISTOGRAM:
        return _histogram(family, numbers)
    made: CounterMetricFamily | GaugeMetricFamily
    if family.kind is Kind.COUNTER:
        made = CounterMetricFamily(family.name, family.help, labels=family.labels)
    else:
        made = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, (value,) in numbers.items():
        made.add_metric(labels, value)
    return made


def _histogram(family: Family, numbers: Numbers) -> Metric:
    made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    bounds = [*(f"{bound:g}" for bound in family.buckets), "+Inf"]
    for labels, (total, *counts) in numbers.items():
        so_far = 0.0
        buckets = []
        for bound, count in zip(bounds, counts, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        made.add_metric(labels, buckets, total)
    return made


def process_metrics(pids: Mapping[str, int]) -> Iterator[Metric]:
    """What the system tells of processes: CPU time, memory, descriptors. The label ``process`` names each of them."""
    found: dict[str, Metric] = {}
    for process, pid in pids.items():
        for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            made = found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                made.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    yield from found.values()
