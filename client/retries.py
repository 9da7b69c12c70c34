"""When a request is sent again, and after which pause."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .errors import LadingError, ServerNotReachable
from .steps import Request

_REFUSED: Final = frozenset({408, 409, 423, 429, 503, 507})
"""Statuses of requests that had no effect, where the service says that another one may succeed."""
_UNCERTAIN: Final = frozenset({502, 503, 504})
_UNCERTAIN_CODES: Final = frozenset({"documents_unavailable", "image_unavailable"})
_ALWAYS: Final = frozenset({408, 429, 503})


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and for how long a client repeats a request. It repeats only what is safe to repeat.

    ``Retry-After`` of an answer takes precedence over the pauses.

    Attributes:
        attempts: requests in all.
        seconds: time from the first request, after which none is repeated.
        first_pause: seconds before the second request; each further pause is twice as long, and up to half of each is
            left to chance.
        longest_pause: seconds.
    """

    attempts: int = 6
    seconds: float = 60.0
    first_pause: float = 0.25
    longest_pause: float = 8.0


DEFAULT: Final = Retry()


class Tries:
    """The tries of one request.

    Args:
        retry: the rules.
        clock: monotonic seconds.
        chance: gives numbers from 0 to 1.

    Attributes:
        is_repeat: whether an earlier try may have had its effect.
    """

    def __init__(self, retry: Retry, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._retry = retry
        self._clock = clock
        self._chance = chance
        self.is_repeat = False
        self.renew()

    def renew(self) -> None:
        """Count from the beginning, since something was achieved."""
        self._failed = 0
        self._until = self._clock() + self._retry.seconds

    def pause(self, error: LadingError, request: Request) -> float | None:
        """Seconds until the next try; None if there is none, since it is not safe, of no use, or too late."""
        is_certain = _had_no_effect(error)
        if not is_certain and not (_is_uncertain(error) and request.may_repeat):
            return None
        self.is_repeat = self.is_repeat or not is_certain
        return self.delay(error.retry_after)

    def delay(self, retry_after: float | None = None, *, is_failure: bool = True) -> float | None:
        """Seconds until the next try of what may be tried again; None if it is too late.

        Args:
            retry_after: the least pause that the service wants.
            is_failure: whether this counts as one of the attempts; time passes in any case.
        """
        self._failed += is_failure
        if self._failed >= self._retry.attempts:
            return None
        if retry_after is not None:
            seconds = retry_after * (1 + self._chance() / 10)
        else:
            seconds = min(self._retry.longest_pause, self._retry.first_pause * 2 ** min(max(0, self._failed - 1), 30))
            seconds *= 1 - self._chance() / 2
        return seconds if self._clock() + seconds <= self._until else None


def _had_no_effect(error: LadingError) -> bool:
    if isinstance(error, ServerNotReachable):
        return not error.was_sent
    if error.status not in _REFUSED or _is_uncertain(error):
        return False
    return error.retry_after is not None or error.status in _ALWAYS


def _is_uncertain(error: LadingError) -> bool:
    """Whether the request may have had its effect."""
    if isinstance(error, ServerNotReachable):
        return error.was_sent
    # A proxy's 503 has no code, and may come after the service got the request.
    return error.status in _UNCERTAIN and (error.code in _UNCERTAIN_CODES or error.code == f"http_{error.status}")
