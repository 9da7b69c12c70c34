"""The options of the fetcher: section ``[fetch.sftp]`` of ``service.conf``."""

import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import asyncssh
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from lading.plugins import CommaSeparated, Names, PathOption, PluginOptions

DEFAULT_PORT = 22

_LAST_PORT = 65535
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_USER = r"^[^\s:/@,\x00-\x1f\x7f]+$"


class Server(NamedTuple):
    """An SFTP server.

    Attributes:
        host: lower-case name, or an address without brackets.
        port: 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"


def parse_server(text: str) -> Server:
    """Read ``host``, ``host:port``, ``[address]`` or ``[address]:port``; a name must be ASCII.

    Raises:
        ValueError: it is none of these.
    """
    match = _SERVER.fullmatch(text)
    port = int(match[2] or DEFAULT_PORT) if match else 0
    if match is None or not 1 <= port <= _LAST_PORT:
        raise ValueError(f"{text!r} is not a host or host:port")
    host = match[1].lower()
    return Server(str(IPv6Address(host[1:-1])) if host.startswith("[") else host, port)


def _server(value: Any) -> Any:
    return parse_server(value) if isinstance(value, str) else value


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("is not a file, or is not readable")
    return path


def _known_host(line: str) -> str:
    """Refuse a line that asyncssh would skip: the operator would think that it counts."""
    try:
        host, *_ = line.split()
        asyncssh.import_public_key(line.removeprefix(host).strip())
        asyncssh.import_known_hosts(line)
    except ValueError as error:
        raise ValueError("is not 'host algorithm key', as known_hosts writes it") from error
    return line


Servers = Annotated[tuple[Annotated[Server, BeforeValidator(_server)], ...], CommaSeparated]
ExistingFile = Annotated[PathOption, AfterValidator(_existing)]
KnownHosts = Annotated[tuple[Annotated[str, AfterValidator(_known_host)], ...], CommaSeparated]


class SftpOptions(PluginOptions):
    """Servers, credentials and limits. You can switch off no limit, and not the check of host keys."""

    hosts: Servers = Field(
        min_length=1, description="The only servers that Lading connects to, each host or host:port."
    )
    username: str = Field(pattern=_USER, max_length=255, description="User name for the login.")
    password: SecretStr = Field(default=SecretStr(""), description="Password for the login; empty for none.")
    private_key: ExistingFile | None = Field(
        default=None, description="File of the private key for the login, in any format of ssh-keygen."
    )
    passphrase: SecretStr = Field(default=SecretStr(""), description="Passphrase of private_key; empty for none.")
    known_hosts: ExistingFile | None = Field(
        default=None, description="File of the servers' host keys, as ssh-keyscan writes it."
    )
    host_keys: KnownHosts = Field(
        default=(), description="Further host keys, each as a line of known_hosts: host type key."
    )
    allow_users: Names = Field(
        default=(), description="User names that a url may name instead of username, with the same credentials."
    )
    root: str = Field(
        default="/",
        pattern=r"^/[^\x00-\x1f\x7f]*$",
        description="Folder on the servers that the paths of urls start from. Lading requests nothing outside of it.",
    )
    max_bytes: int = Field(default=32 * 1024**2, ge=1, le=1024**3, description="Longest file, in bytes.")
    connect_timeout: float = Field(
        default=10, gt=0, le=60, description="Seconds that connecting may take, including name lookup and login."
    )
    read_timeout: float = Field(
        default=15, gt=0, le=120, description="Seconds that opening the file and each wait for its bytes may take."
    )
    total_timeout: float = Field(default=60, gt=0, le=3600, description="Seconds that the whole fetch may take.")
    connections: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Fetches that run at once, each with its own connection. Other fetches wait.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.known_hosts is None and not self.host_keys:
            raise ValueError("host keys are always checked: set known_hosts, host_keys or both")
        if self.private_key is None and not self.password.get_secret_value():
            raise ValueError("there is nothing to log in with: set password, private_key or both")
        return self
