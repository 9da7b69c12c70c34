"""The options of the connection to NATS."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """Options of the connection.

    Attributes:
        servers: addresses, possibly with user and password.
        stream: its name, with which its subjects begin too.
        replicas: copies of each message in a cluster, where Lading makes the stream.
        credentials: a file with a user's JWT and seed.
        ca_file: certificates of authorities, in PEM; None for the system's own.
    """

    servers: tuple[str, ...]
    stream: str
    replicas: int = 1
    credentials: Path | None = None
    ca_file: Path | None = None
