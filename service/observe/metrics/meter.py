"""What measured code calls. A ``Meter`` measures nothing; ``recorder.Recorder`` is the one that counts.

Every method is called in the event loop's thread, costs little, never blocks and never raises.
"""

from collections.abc import Iterable
from typing import Final

from ....plugins.host.record import Phase, PluginCall
from ...models import Import


class Meter:
    """Measures nothing: the meter of a process without an admin listener."""

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


NO_METER: Final = Meter()
