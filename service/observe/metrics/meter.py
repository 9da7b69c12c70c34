"""What measured code calls. A ``Meter`` measures nothing; ``recorder.Recorder`` counts, and ``telemetry.spans.Spans``
makes spans of OpenTelemetry.

Every method is called in the event loop's thread, costs little, never blocks and never raises.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Final, Self

from ....plugins.host.record import Phase, PluginCall
from ...models import Import


class Scope:
    """A request, an acceptance, an attempt or a delivery that is under way, and that nobody traces.

    In the ``with`` block, and in the tasks that it creates, the scope is the present one: what a meter is told of there
    belongs to it. ``end`` ends a scope that no block ends; it may be called twice.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the scope."""

    def note(self, **facts: str | int | None) -> None:
        """Note facts of the scope: ids, codes and numbers, and no text that a client or an origin chose."""

    def end(self) -> None:
        """End the scope."""


NO_SCOPE: Final = Scope()


class Meter:
    """Measures nothing: the meter of a process without an admin listener and without telemetry."""

    # --- under way ----------------------------------------------------------------------------------------------------

    def requested(self, route: str, method: str, path: str, header: Callable[[str], Sequence[str]]) -> Scope:
        """A request has arrived.

        Args:
            route: see ``request``.
            method: as the client sent it.
            path: of the request, without the query.
            header: gives the values of a header field.
        """
        del route, method, path, header
        return NO_SCOPE

    def accepting(self, *, is_one_of_many: bool) -> Scope:
        """An import is being accepted, alone or as one of many in a request."""
        del is_one_of_many
        return NO_SCOPE

    def attempting(self, document: Import, fetcher: str | None) -> Scope:
        """An attempt at a running import begins; ``fetcher`` is the kind of what gets its bytes."""
        del document, fetcher
        return NO_SCOPE

    def delivering(self, traceparent: str | None, *, delivery_id: str, event: str, host: str, attempt: int) -> Scope:
        """An attempt to deliver an event begins.

        Args:
            traceparent: of the import, see ``ImportFields.traceparent``.
            delivery_id: of the delivery.
            event: its type.
            host: host and port of the receiver.
            attempt: its number, from 1.
        """
        del traceparent, delivery_id, event, host, attempt
        return NO_SCOPE

    @property
    def traceparent(self) -> str | None:
        """The present scope, for the import that it makes; see ``ImportFields.traceparent``."""
        return None

    @property
    def trace_headers(self) -> Mapping[str, str]:
        """Header fields by which a receiver continues the trace of the present scope (W3C Trace Context)."""
        return _NO_HEADERS

    # --- ended --------------------------------------------------------------------------------------------------------

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered.

        Args:
            route: the path of its route, with variables in braces; ``other`` for a path without a route.
            method: as the client sent it.
            status: of the answer.
            seconds: from its head to the end of the answer.
        """

    def import_ended(self, document: Import) -> None:
        """An import has reached its final state, and the document store has it."""

    def phases(self, phases: Iterable[Phase]) -> None:
        """An attempt has ended, and these were its phases."""

    def fetched(self, fetcher: str, byte_size: int) -> None:
        """A fetch has ended, successfully or not, after so many bytes.

        Args:
            fetcher: its kind.
            byte_size: of the body, after decoding.
        """

    def stored(self, storage: str, byte_size: int) -> None:
        """A storage has saved an image of so many bytes."""

    def claimed(self, imports: int) -> None:
        """The worker has claimed so many imports."""

    def dispatched(self, event: str, imports: int) -> None:
        """Something happened to so many imports between this process and the broker.

        Args:
            event: ``published``, ``pulled``, ``redelivered`` (pulled, and not for the first time), ``swept`` (claimed
                from the database without the broker) or ``dropped`` (a message could not be sent).
            imports: how many.
        """

    def retired(self, status: str, byte_size: int) -> None:
        """Retention has removed an import.

        Args:
            status: the state that it was in.
            byte_size: of the image that was deleted with it; 0 without one.
        """

    def plugin_call(self, call: PluginCall) -> None:
        """A call of a plugin has ended."""

    def store_call(self, operation: str, outcome: str, seconds: float) -> None:
        """An operation of the document store has ended."""

    def delivery(self, outcome: str, seconds: float) -> None:
        """An attempt to deliver an event has ended.

        Args:
            outcome: ``delivered``, ``failed`` for good, or ``retried`` later.
            seconds: duration.
        """

    def spans_dropped(self, reason: str, spans: int) -> None:
        """So many spans are lost: the ``queue`` was full, or their ``export`` failed."""


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

NO_METER: Final = Meter()
