"""An item of a batch, as the readers of ``service.api.params.items`` give it."""

from dataclasses import dataclass
from typing import Any

from ....plugins.contracts.quick import quick
from ...errors.catalogue import ApiError
from ...errors.params import ParamsError


@quick
@dataclass(frozen=True, slots=True)
class Item:
    """An item of a batch.

    Attributes:
        number: its line, or its place in the array, from 1.
        params: the parameters of an import; or
        error: why the item cannot be read, or is refused.
    """

    number: int
    params: dict[str, Any] | None
    error: ParamsError | ApiError | None = None
