"""Places that requests hold, or are refused for lack of: uploads, downloads, event streams.

Requests hold them for as long as their clients like, so one issuer never holds them all (P7).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...plugins.host.turns import Turns
from ..errors.catalogue import ApiError


class Places:
    """So many places, of which each issuer leaves room for others; see ``Turns``. No method waits.

    Args:
        places: of all issuers, at least 1.
        refused: makes the error for a request without a place.
        per_issuer: of one issuer; without it, an issuer may hold as many as it leaves free.
        name: under which operators see them.
    """

    def __init__(
        self,
        places: int,
        refused: Callable[[], ApiError],
        per_issuer: int | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self._turns = Turns(places, per_issuer, leaves_room=True, name=name)
        self._refused = refused

    @property
    def taken(self) -> int:
        """The number of places that are held."""
        return self._turns.taken

    @contextmanager
    def one(self, issuer_id: str) -> Iterator[None]:
        """Hold a place for the issuer within the block.

        Raises:
            ApiError: what ``refused`` makes: there is none.
        """
        give_back = self._turns.take_now(issuer_id)
        if give_back is None:
            raise self._refused()
        try:
            yield
        finally:
            give_back()
