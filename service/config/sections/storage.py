"""The sections about stored images."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from ....plugins.host.validation import did_you_mean
from ....plugins.options import CommaSeparated
from ...models.key_templates import DEFAULT_KEYS, KeyTemplate
from ...models.routing import Rule
from ..fields import PluginName, Seconds, Section, none_if_empty, without_repetition


def _key_templates(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        KeyTemplate.parsed(text)
    return texts


def _rules(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        Rule.parsed(text)
    return texts


ROUTE: Final = "storage.route"
"""The section of the rules, whose name no storage can have."""


class StorageSettings(Section):
    """``[storage]``: where images are kept; each storage has its options in ``[storage.<name>]``."""

    backend: PluginName = Field(
        "local",
        description=(
            "Storage that receives new images: local, s3, gcs, memory (for experiments; it loses everything"
            " when the service stops), or the name of another storage. Each storage has its options in the"
            " section [storage.<name>]. The name is that of a plugin, unless the section names the plugin:"
            ' "plugin = local" in [storage.archive] makes "archive" a second local storage with its own path.'
        ),
    )
    mirror: Annotated[PluginName | None, BeforeValidator(none_if_empty)] = Field(
        None,
        description=(
            "Storage that keeps a second copy of each new image. Lading reads the copy when the backend"
            " fails. While the mirror is down, imports continue and Lading makes their copies later. Empty"
            " turns mirroring off."
        ),
    )
    others: Annotated[tuple[PluginName, ...], CommaSeparated, AfterValidator(without_repetition)] = Field(
        (),
        description=(
            'Further storages that hold images and that Lading reads from: those that "lading storage copy"'
            " moves images from or to."
        ),
    )
    keys: Annotated[tuple[str, ...], CommaSeparated, AfterValidator(_key_templates), Field(min_length=1)] = Field(
        (DEFAULT_KEYS.text,),
        description=(
            "Template of the storage keys of new imports, such as {organization}/{album}/{date}/{id}. {id} is the last"
            " segment; {shard} stands for the first two characters of the id, {date} for the day in UTC. Images keep"
            " the keys that they have. Further templates, after commas, are those of earlier images:"
            ' "lading storage audit" tells by them which unknown objects are Lading\'s.'
        ),
    )
    deadline: Seconds = Field(60, ge=1, le=3600, description="Seconds that one operation of a storage may take.")
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description=(
            "Operations of one storage that a process runs at once. Further operations wait for a free slot,"
            " within the deadline."
        ),
    )

    @field_validator("backend", "mirror", "others")
    @classmethod
    def _no_reserved_name(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if "route" in ((value,) if isinstance(value, str) else value or ()):
            raise ValueError(f"names a storage route, but [{ROUTE}] has the rules; choose another name")
        return value

    @field_validator("mirror")
    @classmethod
    def _not_the_backend(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("backend"):
            raise ValueError("names the backend itself; name another storage")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Every configured storage: the backend, the mirror, and the others."""
        mirror = () if self.mirror is None else (self.mirror,)
        return tuple(dict.fromkeys((self.backend, *mirror, *self.others)))

    @property
    def templates(self) -> tuple[KeyTemplate, ...]:
        """``keys``, parsed."""
        return tuple(map(KeyTemplate.parsed, self.keys))

    def naming(self, name: str) -> str:
        """The option that names a storage."""
        if name == self.backend:
            return "backend"
        return "mirror" if name == self.mirror else "others"


class RouteSettings(Section):
    """``[storage.route]``: which imports go to another storage than the backend."""

    rules: Annotated[tuple[str, ...], CommaSeparated, AfterValidator(_rules)] = Field(
        (),
        description=(
            "Rules that save the images of some imports in another storage than backend, each as condition=storage."
            " Conditions are organization:ID, issuer:ID and album:PATTERN; & joins several:"
            " organization:194c51fb-fef1-4bdf-ab27-fed1b67cf6f1 & album:press-*=archive. In a pattern, * stands for any"
            " characters and ? for any one. The first rule that fits counts. backend or others of [storage] name the"
            " storage."
        ),
    )

    @property
    def parsed(self) -> tuple[Rule, ...]:
        """``rules``, parsed."""
        return tuple(map(Rule.parsed, self.rules))

    def problems(self, storage: StorageSettings) -> Iterator[str]:
        """Why the rules do not fit the storages; empty if they do."""
        for text, rule in zip(self.rules, self.parsed, strict=True):
            if rule.storage == storage.mirror:
                yield f"the rule '{text}' names the mirror, which has the second copies; name another storage"
            elif rule.storage not in storage.names:
                hint = did_you_mean(rule.storage, storage.names)
                yield f"the rule '{text}' names no configured storage; add '{rule.storage}' to others{hint}"


class ImagesSettings(Section):
    """``[images]``: how clients read stored images."""

    redirect: bool = Field(
        False,
        description=(
            "Whether Lading redirects (status 302) a client that reads an image to a short-lived signed URL"
            " of the storage, which then sends the bytes. The service does not start if the storage cannot"
            " sign URLs."
        ),
    )
    redirect_lifetime: Seconds = Field(60, ge=1, le=604800, description="Seconds that a signed URL is valid.")
    max_age: int = Field(
        3600,
        ge=0,
        le=31_536_000,
        description=(
            "Seconds that a client may use its cached copy of an image without asking again, even after the"
            " image was deleted."
        ),
    )
    max_downloads: int = Field(
        128,
        ge=1,
        le=4096,
        description=(
            "Images that a process sends at once. Lading answers further requests with status 503 and"
            " Retry-After. Each image needs 1 to 2 MiB of memory. An issuer has half of them at most, so that"
            " others find room."
        ),
    )
    stall_timeout: Seconds = Field(
        30,
        ge=0.1,
        le=3600,
        description="Seconds that a client may take for each 64 KiB of an image. Then Lading resets the connection.",
    )
