"""Bounds on a request's parameters."""

from dataclasses import dataclass

_DEPTH_CEILING = 100


@dataclass(frozen=True, slots=True)
class ParamLimits:
    """Bounds on one source of parameters: a query string or a body. The defaults are Rack's own.

    Attributes:
        depth: how deep names may nest, 1 to 100 (Rack's ``param_depth_limit``): ``a[b][c]`` has depth 3. A JSON body
            may nest its objects and arrays as deep.
        pairs: how many name-value pairs, parts, or JSON members and elements there may be, at least 1.
    """

    depth: int = 32
    pairs: int = 4096

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= _DEPTH_CEILING:
            raise ValueError(f"depth must be 1 to {_DEPTH_CEILING}, not {self.depth}")
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1, not {self.pairs}")
