"""Images of which no thumbnail can be made, remembered for a while: a broken image is not decoded for each request."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ....plugins.errors import DetectError, ImageTooComplex, PluginError
from ...errors.catalogue import ApiError

RETRY_AFTER_FAILURE: Final = 10
KEEP_SECONDS: Final = 900.0
"""How long a verdict about an image holds. Another failure, which may pass or is the detector's own fault, holds for
``RETRY_AFTER_FAILURE``."""
_MOST: Final = 1024


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What is kept of an error. The error itself would keep its traceback, and with it the spool of the image."""

    code: str
    detail: str
    internal: str
    is_of_image: bool
    is_passing: bool
    until: float
    least_side: int

    @property
    def answer(self) -> ApiError:
        """The answer: 422 where the image is the reason."""
        if self.is_passing:
            return ApiError("thumbnail_unavailable", internal=self.internal, retry_after=RETRY_AFTER_FAILURE)
        if self.is_of_image:
            return ApiError.of(self.code, HTTPStatus.UNPROCESSABLE_ENTITY, self.detail, internal=self.internal)
        return ApiError("internal_error", internal=self.internal)


class Refusals:
    """The latest failures of the detectors in this process, by the image.

    Args:
        clock: seconds that never step.
        most: failures that are remembered; beyond them, the oldest is forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._known: dict[str, _Refusal] = {}

    def add(self, image: str, side: int, error: PluginError) -> ApiError:
        """Remember the failure of a detector, and return the answer for it.

        Args:
            image: the name of its bytes, and of the recipes of all detectors.
            side: of the thumbnail in pixels. An image that costs too much is refused from this side on: a smaller
                thumbnail costs less. Any other failure holds for every size.
            error: what the detector raised.
        """
        is_of_image = isinstance(error, DetectError)
        keep = KEEP_SECONDS if is_of_image and not error.retryable else RETRY_AFTER_FAILURE
        refusal = _Refusal(
            code=error.code,
            detail=error.detail,
            internal=str(error),
            is_of_image=is_of_image,
            is_passing=error.retryable,
            until=self._clock() + keep,
            least_side=side if isinstance(error, ImageTooComplex) else 0,
        )
        self._known.pop(image, None)
        self._known[image] = refusal
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return refusal.answer

    def of(self, image: str, side: int) -> ApiError | None:
        """The answer for a thumbnail that was refused a while ago; None if a detector is to look at the image."""
        refusal = self._known.get(image)
        if refusal is None:
            return None
        if self._clock() >= refusal.until:
            del self._known[image]
            return None
        return refusal.answer if side >= refusal.least_side else None
