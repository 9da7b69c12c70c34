"""The common options of the storages in clouds."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from ...plugins.options import PluginOptions
from .names import PLACEHOLDER

_NAME = re.compile(r"[A-Za-z0-9!_.*'()/-]*")
"""Characters that every cloud, proxy and URL keeps:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""


class CloudOptions(PluginOptions):
    """Options of every storage in a cloud."""

    bucket: str = Field(min_length=1, max_length=222, description="Name of the bucket, which must exist.")
    prefix: str = Field(
        default="", max_length=255, description="Text before the name of every object, such as images/."
    )
    key_template: str = Field(
        default=PLACEHOLDER,
        max_length=255,
        description="Name of an object below the prefix. {key} stands for the storage key.",
    )
    threads: int = Field(
        default=16, ge=2, le=64, description="Requests that run at once, and images that are sent at once."
    )
    connect_timeout: float = Field(default=5, ge=0.1, le=60, description="Seconds that connecting may take.")
    read_timeout: float = Field(
        default=15, ge=0.1, le=120, description="Longest wait for the next bytes of an answer, in seconds."
    )
    attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts of a request, with random pauses, before the operation fails."
    )

    @field_validator("prefix", "key_template")
    @classmethod
    def _plain(cls, value: str) -> str:
        name = value.replace(PLACEHOLDER, "key")
        if not _NAME.fullmatch(name):
            raise ValueError("may have letters, digits and !_.*'()/- only")
        if name.startswith("/") or "//" in name or {".", ".."} & set(name.split("/")):
            raise ValueError("may not begin with a slash, or have two in a row, or '.' or '..' between slashes")
        return value

    @model_validator(mode="after")
    def _one_placeholder(self) -> Self:
        if PLACEHOLDER in self.prefix or self.key_template.count(PLACEHOLDER) != 1:
            raise ValueError(f"key_template must have {PLACEHOLDER} once, and prefix must not have it")
        return self
