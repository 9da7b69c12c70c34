"""The sections about stored images."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from ....plugins.options import CommaSeparated
from ..fields import PluginName, Seconds, Section, none_if_empty, without_repetition


class StorageSettings(Section):
    """``[storage]``: where images are kept; each storage has its options in ``[storage.<name>]``."""

    backend: PluginName = Field("local", description="the storage that new images are saved in, by name")
    mirror: Annotated[PluginName | None, BeforeValidator(none_if_empty)] = Field(
        None, description="the storage that a second copy of each new image is kept in; empty for none"
    )
    others: Annotated[tuple[PluginName, ...], CommaSeparated, AfterValidator(without_repetition)] = Field(
        (), description="further storages that images are in, and are read from: those that images move from or to"
    )
    deadline: Seconds = Field(60, ge=1, le=3600, description="seconds that one operation of a storage may take")
    concurrency: int = Field(64, ge=1, le=1024, description="how many operations of a storage run at once in a process")

    @field_validator("mirror")
    @classmethod
    def _not_the_backend(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("backend"):
            raise ValueError("names the backend itself")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Every configured storage: the backend, the mirror, and the others."""
        mirror = () if self.mirror is None else (self.mirror,)
        return tuple(dict.fromkeys((self.backend, *mirror, *self.others)))


class ImagesSettings(Section):
    """``[images]``: how stored images are read back."""

    redirect: bool = Field(
        False, description="whether clients are sent to a URL of the storage for the bytes, where it can sign URLs"
    )
    redirect_lifetime: Seconds = Field(60, ge=1, le=604800, description="seconds for which such a URL works")
    max_age: int = Field(
        3600, ge=0, le=31_536_000, description="seconds for which a client may use its copy without asking again"
    )
    max_downloads: int = Field(128, ge=1, le=4096, description="how many images a process sends at once")
    stall_timeout: Seconds = Field(30, ge=0.1, le=3600, description="seconds a client may take for each 64 KiB")
