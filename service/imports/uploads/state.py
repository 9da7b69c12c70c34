"""The state of a resumable upload."""

from dataclasses import dataclass

from ...models import Import


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload.

    Attributes:
        document: its import.
        length: its length in bytes.
        offset: the bytes that have arrived.
    """

    document: Import
    length: int
    offset: int

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have arrived."""
        return self.offset == self.length
