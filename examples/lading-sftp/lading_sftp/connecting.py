"""From options to a connection that is logged in, and its end."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncssh

from lading_sftp.errors import CredentialsUnusable
from lading_sftp.options import DEFAULT_PORT, Server, SftpOptions

# At its usual level it tells ten lines of each connection, with user names.
asyncssh.set_log_level(logging.WARNING)

WINDOW_BYTES = 1024**2
"""How much a server may send before it is read, so that this much and no more has to be kept."""

Keys = Sequence[asyncssh.SSHKey]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is in the files that the options name.

    Attributes:
        host_keys: what the server may prove itself with.
        host_authorities: keys that may have signed a certificate of the server.
        revoked: keys that count for nothing.
        login_keys: what to log in with.
    """

    host_keys: Keys
    host_authorities: Keys
    revoked: Keys
    login_keys: Keys = field(repr=False)


def read_credentials(options: SftpOptions, server: Server) -> Credentials:
    """Read the files. Blocks: on the disk, and on the key derivation of an encrypted key.

    Host keys are found by the server's name alone, as it is in ``hosts``, and not by the address that the name has.

    Raises:
        CredentialsUnusable: one cannot be read, or does not hold what it should.
    """
    option = "known_hosts"
    try:
        lines = options.known_hosts.read_text(encoding="utf-8") if options.known_hosts else ""
        known_hosts = asyncssh.import_known_hosts("\n".join((lines, *options.host_keys)))
        port = None if server.port == DEFAULT_PORT else server.port
        host_keys, authorities, revoked, *_ = known_hosts.match(server.host, "", port)
        option = "private_key"
        passphrase = options.passphrase.get_secret_value() or None
        login_keys = [asyncssh.read_private_key(options.private_key, passphrase)] if options.private_key else []
    except (OSError, ValueError) as error:
        raise CredentialsUnusable(f"{option} cannot be used: {type(error).__name__}") from error
    return Credentials(host_keys, authorities, revoked, login_keys)


async def connect(options: SftpOptions, server: Server, user: str) -> asyncssh.SSHClientConnection:
    """Connect to the server and log in; to be ended with ``disconnect``.

    Nothing but the options counts: no configuration of OpenSSH, no agent, no keys of the service's own user.

    Raises:
        CredentialsUnusable: see ``read_credentials``.
        asyncssh.Error, OSError, ValueError: what asyncssh raises.
    """
    credentials = await asyncio.to_thread(read_credentials, options, server)
    return await asyncssh.connect(
        server.host,
        server.port,
        config=None,
        known_hosts=(credentials.host_keys, credentials.host_authorities, credentials.revoked, (), (), (), ()),
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        username=user,
        password=options.password.get_secret_value() or None,
        client_keys=credentials.login_keys or None,
        agent_path=None,
        gss_host=None,
        gss_kex=False,
        gss_auth=False,
        host_based_auth=False,
        compression_algs=None,  # images are compressed already, and what is not could be a bomb
        connect_timeout=None,  # the caller's clock has the limits
        login_timeout=0,
        window=WINDOW_BYTES,
    )


async def disconnect(connection: asyncssh.SSHClientConnection) -> None:
    """End the connection, and wait until it has ended; that needs nothing of the server. It may have ended before."""
    if not connection.is_closed():
        connection.close()
    await connection.wait_closed()
