"""The sections of the rig, each a module with what it needs and a function that measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.rig import Rig
from bench.rows import Table
from bench.sections import accept, backlog, instructions, large, latency, peers, pipeline, scale, views


@dataclass(frozen=True, slots=True)
class Section:
    """A section.

    Attributes:
        measure: measures in turn, for as long as the mode of the rig says.
        tools: programs that it cannot do without.
        seconds: that it is given: in full, quick. Rounds for which there is no time are left out.
    """

    measure: Callable[[Rig], Sequence[Table]]
    tools: Sequence[str]
    seconds: tuple[float, float]


SECTIONS: Mapping[str, Section] = {
    "accept": Section(accept.measure, ("wrk",), (110, 30)),
    "pipeline": Section(pipeline.measure, ("curl",), (250, 40)),
    "peers": Section(peers.measure, ("curl",), (330, 90)),
    "large": Section(large.measure, ("curl", "openssl"), (160, 30)),
    "latency": Section(latency.measure, ("curl",), (20, 10)),
    "backlog": Section(backlog.measure, ("wrk",), (240, 25)),
    "scale": Section(scale.measure, ("wrk", "curl"), (50, 20)),
    "views": Section(views.measure, ("wrk",), (120, 30)),
    "instructions": Section(instructions.measure, (), (60, 25)),
}
"""In the order in which they are measured and shown. Together less than 23 minutes, quick less than 5."""
