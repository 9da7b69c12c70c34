"""The errors of this fetcher's own, and what asyncssh raises in terms of ``lading.plugins.errors``.

Errors are told apart by their classes and codes. What a server says in words goes nowhere: it is a stranger's text.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncssh

from lading.plugins.errors import (
    ConnectFailed,
    ConnectionLost,
    DnsFailed,
    FetchError,
    HostNotFound,
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginRejected,
    OriginUnavailable,
    SourceRefused,
    TlsFailed,
)


class ServerNotAllowed(SourceRefused):
    code = "sftp_server_not_allowed"
    public_text = "The SFTP server of the url is not one that may be fetched from."


class UserNotAllowed(SourceRefused):
    code = "sftp_user_not_allowed"
    public_text = "The user name of the url is not allowed."


class HostKeyRefused(TlsFailed):
    """The server's host key is unknown, another than the known one, or revoked."""

    code = "sftp_host_key_refused"
    public_text = "The SFTP server did not prove that it is the one that is known."


class HandshakeFailed(TlsFailed):
    """The two sides have no algorithm in common, or the handshake was tampered with."""

    code = "sftp_handshake_failed"
    public_text = "No secure connection to the SFTP server could be agreed on."


class LoginRefused(OriginDenied):
    code = "sftp_login_refused"
    public_text = "The SFTP server refused the login."


class NotSftp(OriginProtocolError):
    code = "sftp_protocol_error"
    public_text = "The origin's answer is not valid SFTP."


class NotAFile(OriginRejected):
    code = "sftp_not_a_file"
    public_text = "The url leads to something that is no regular file."


class FileChanged(FetchError):
    """More bytes came than the file had when it was opened."""

    code = "sftp_file_changed"
    retryable = True
    public_text = "The file grew while it was fetched."


class CredentialsUnusable(FetchError):
    """A key or a list of known hosts cannot be read; the operator may mend it while the import waits."""

    code = "sftp_credentials_unusable"
    retryable = True
    public_text = "The service cannot log in to SFTP servers at present."


_NOT_FOUND: Final = (
    asyncssh.SFTPNoSuchFile,
    asyncssh.SFTPNoSuchPath,
    asyncssh.SFTPNotADirectory,
    asyncssh.SFTPInvalidFilename,
    asyncssh.SFTPLinkLoop,
)
_UNAVAILABLE: Final = (
    asyncssh.SFTPFailure,  # version 3 of the protocol has no code for most of what goes wrong on a server's disk
    asyncssh.SFTPNoMedia,
    asyncssh.SFTPLockConflict,
    asyncssh.SFTPByteRangeLockConflict,
)
_LOST: Final = (asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_DISCONNECTED_AT_PRESENT: Final = frozenset({7, 12})
"""RFC 4253 section 11.1: the service is not available; too many connections."""
_LEFT: Final = frozenset({10, 11})
"""The same: the connection was lost; by the application."""
_CHANNEL_AT_PRESENT: Final = frozenset({2, 4})
"""RFC 4254 section 5.1: the connection failed; a shortage of resources."""
_NO_SUCH_HOST: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what asyncssh raises in the block into a ``FetchError`` whose cause it is.

    Args:
        place: server and path, for the operator's log.

    Raises:
        FetchError: see above. Cancellations, timeouts and the errors of ``lading.plugins.errors`` pass unchanged.
    """
    try:
        yield
    except TimeoutError as error:
        # The system's own time limit for connecting has a number; asyncio's, which the caller judges, has none.
        if error.errno is None:
            raise
        raise ConnectFailed(f"{place}: {errno.errorcode.get(error.errno, '?')}") from error
    except asyncssh.SFTPError as error:
        raise _of_request(error, place) from error
    except asyncssh.Error as error:
        raise _of_connection(error, place) from error
    except OSError as error:
        raise _of_system(error, place) from error
    except ValueError as error:  # asyncssh: what came cannot be decoded
        raise NotSftp(f"{place}: {type(error).__name__}") from error


def _of_request(error: asyncssh.SFTPError, place: str) -> FetchError:
    internal = f"{place}: {type(error).__name__}"
    status = f"SFTP {error.code}"
    if isinstance(error, _LOST):
        return ConnectionLost(internal)
    if isinstance(error, _NOT_FOUND):
        return OriginNotFound(internal, status=status)
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return OriginDenied(internal, status=status)
    if isinstance(error, _UNAVAILABLE):
        return OriginUnavailable(internal, status=status)
    if isinstance(error, asyncssh.SFTPFileIsADirectory):
        return NotAFile(internal)
    if isinstance(error, asyncssh.SFTPBadMessage):
        return NotSftp(internal)
    return OriginRejected(internal, status=status)


def _of_connection(error: asyncssh.Error, place: str) -> FetchError:
    internal = f"{place}: {type(error).__name__} {error.code}"
    status = f"SSH {error.code}"
    if isinstance(error, asyncssh.ChannelOpenError):
        kind = OriginUnavailable if error.code in _CHANNEL_AT_PRESENT else OriginRejected
        return kind(internal, status=status)
    if isinstance(error, asyncssh.PermissionDenied | asyncssh.IllegalUserName):
        return LoginRefused(internal)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyRefused(internal)
    if isinstance(error, asyncssh.KeyExchangeFailed | asyncssh.MACError):
        return HandshakeFailed(internal)
    if isinstance(error, _LOST) or error.code in _LEFT:
        return ConnectionLost(internal)
    if error.code in _DISCONNECTED_AT_PRESENT:
        return OriginUnavailable(internal, status=status)
    return NotSftp(internal)


def _of_system(error: OSError, place: str) -> FetchError:
    if isinstance(error, socket.gaierror):
        return (HostNotFound if error.errno in _NO_SUCH_HOST else DnsFailed)(f"{place}: {error.errno}")
    internal = f"{place}: {errno.errorcode.get(error.errno or 0, type(error).__name__)}"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return ConnectionLost(internal)
    return ConnectFailed(internal)
