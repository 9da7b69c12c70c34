"""The steps of an operation. An operation is a generator: it yields steps and gets their results, and does no I/O.

So one piece of code serves ``Client``, which blocks, and ``AsyncClient``, which awaits. A failed step raises its error
in the operation.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

SAFE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""Methods that have the same effect however often they are sent (RFC 9110 section 9.2.2)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, without its token.

    Attributes:
        method: of HTTP.
        path: below the URL of the service; or a whole URL of another server, which then gets no token.
        query: names and values, not encoded.
        headers: further fields.
        body: the whole of it.
        told: called with the bytes of the body that were sent so far.
        timeout: seconds that the service may stay silent; None for the client's own.
        is_repeatable: whether the service does the same once only, however often the request arrives.
        settled: statuses that mean success when the request is repeated: its first answer was lost.
        may_redirect: whether a redirect is an answer to it.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    told: Callable[[int], None] | None = None
    timeout: float | None = None
    is_repeatable: bool = False
    settled: frozenset[int] = frozenset()
    may_redirect: bool = False

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again when nobody knows whether it arrived."""
        return self.is_repeatable or self.method in SAFE


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer: its status, and its fields by their names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    head: Head
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; the result is the ``Head`` of its answer. An answer that is still open is closed."""

    request: Request


@dataclass(frozen=True, slots=True)
class Next:
    """Read the next bytes of the open answer; none at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Sleep for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function that reads or writes a local file; the result is its result."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Take:
    """Take the next item of the caller's iterator; the result is ``END`` after the last one."""

    source: Any


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Give an item to the caller, who iterates over the results of the operation."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """The result of a step that failed."""

    error: Exception


class End:
    """The type of ``END``."""


END: Final = End()

Step: TypeAlias = Open | Next | Pause | Call | Take
Operation: TypeAlias = Generator[Step, Any, T]
"""An operation with a result: ``Client`` returns it, ``AsyncClient`` awaits it."""
Stream: TypeAlias = Generator[Step | Emit[T], Any, None]
"""An operation with many results: ``for`` of ``Client``, ``async for`` of ``AsyncClient``."""


class Drive(Generic[R]):
    """Iterates over the steps of an operation. A context manager that closes the operation.

    Attributes:
        answer: the result of the last step; whoever iterates sets it.
        result: of the operation, when the iteration has ended.
    """

    def __init__(self, operation: Generator[Any, Any, R]) -> None:
        self._operation = operation
        self.answer: Any = None
        self.result: R

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._operation.close()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        answer, self.answer = self.answer, None
        try:
            if isinstance(answer, Failed):
                return self._operation.throw(answer.error)
            return self._operation.send(answer)
        except StopIteration as stop:
            self.result = stop.value
            raise
