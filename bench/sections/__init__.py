"""The sections of the rig, each a module with what it needs and a function that measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.rig import Rig
from bench.rows import Table
from bench.sections import accept, backlog, instructions, large, latency, pipeline, scale


@dataclass(frozen=True, slots=True)
class Section:
    """A section.

    Attributes:
        measure: measures in turn, for as long as the mode of the rig says.
        tools: programs that it cannot do without.
    """

    measure: Callable[[Rig], Sequence[Table]]
    tools: Sequence[str]


SECTIONS: Mapping[str, Section] = {
    "accept": Section(accept.measure, ("wrk",)),
    "pipeline": Section(pipeline.measure, ("nginx", "curl")),
    "large": Section(large.measure, ("nginx", "curl")),
    "latency": Section(latency.measure, ("nginx", "curl")),
    "backlog": Section(backlog.measure, ("wrk",)),
    "scale": Section(scale.measure, ("wrk", "nginx", "curl")),
    "instructions": Section(instructions.measure, ("nginx",)),
}
"""In the order in which they are measured and shown."""
