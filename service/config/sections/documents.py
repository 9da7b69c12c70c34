"""The typed models of ``[documents]``, ``[documents.sqlite]`` and ``[documents.mongo]``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from ....plugins.options import CommaSeparated, PathOption
from ..fields import EncryptionKey, Seconds, Section, mongodb_uri


class DocumentsSettings(Section):
    """``[documents]``: where import documents are kept."""

    backend: Literal["sqlite", "mongo", "memory"] = Field(
        "sqlite",
        description=(
            "Store of import documents: sqlite for one machine, mongo for several, memory for experiments."
            " memory loses everything when the service stops."
        ),
    )
    upgrade: Literal["auto", "manual"] = Field(
        "auto",
        description=(
            "When a database of an earlier Lading is upgraded. auto: when a service, a worker or a command opens"
            ' it. manual: by "lading migrate" alone; until then everything else that needs the documents refuses'
            " to start, and says so."
        ),
    )
    encryption_keys: Annotated[tuple[EncryptionKey, ...], CommaSeparated] = Field(
        (),
        description=(
            "Keys that encrypt secrets in the parameters of an import: header values, userinfo and"
            " signatures in the url. Lading drops these secrets when the import ends; without a key it stores"
            " them unencrypted until then. Each key is 32 random bytes in URL-safe base64, such as the output"
            ' of "openssl rand -base64 32 | tr +/ -_". Use $file:PATH or $env:NAME to keep the'
            " comma-separated list of keys out of this file. The first key encrypts; every key decrypts. To"
            " rotate, put the new key first and remove the old key when no import from before is unfinished."
            " Write-ahead logs, MongoDB's oplog and backups keep unencrypted values for longer."
        ),
    )


class SqliteSettings(Section):
    """``[documents.sqlite]``: the embedded document store, for one machine."""

    path: PathOption = Field(
        Path("lading-data/lading.sqlite3"), description="Database file. Lading creates its folder."
    )
    busy_timeout: Seconds = Field(
        5, ge=0, le=60, description="Seconds to wait while another process holds the database lock."
    )


class MongoSettings(Section):
    """``[documents.mongo]``: the document store for several machines."""

    uri: Annotated[SecretStr, AfterValidator(mongodb_uri)] = Field(
        SecretStr("mongodb://127.0.0.1:27017"),
        description=(
            "Connection string of a replica set or a sharded cluster. Use $env:NAME or $file:PATH to keep a"
            " password out of this file."
        ),
    )
    database: str = Field(
        "lading",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Name of the database: up to 63 letters, digits, _ and -.",
    )
    connect_timeout: Seconds = Field(5, ge=0.1, le=60, description="Seconds that connecting to a server may take.")
    timeout: Seconds = Field(
        5,
        ge=0.1,
        le=120,
        description=(
            "Seconds that one operation may take in all, including the wait for a primary, retries and replication."
        ),
    )
    read_lists_from: Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"] = Field(
        "primary",
        description=(
            "Members of the replica set that lists of imports and albums are read from, by MongoDB's names of read"
            " preferences. Lists from others than the primary may lack the latest changes. Everything else is read"
            " from the primary."
        ),
    )
    read_lists_max_staleness: int = Field(
        120,
        ge=90,
        le=86400,
        description=(
            "Seconds that a member may be behind the primary to serve lists. Without effect where read_lists_from is"
            " primary."
        ),
    )
    pool_size: int = Field(
        20, ge=4, le=500, description="Maximum connections to each server, and maximum operations that run at once."
    )
