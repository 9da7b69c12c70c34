"""Every error of asyncssh has a translation, and the words of a server stay out of it."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from lading.plugins.errors import (
    ConnectFailed,
    ConnectionLost,
    DnsFailed,
    FetchError,
    HostNotFound,
    OriginDenied,
    OriginNotFound,
    OriginRejected,
    OriginUnavailable,
    PluginError,
)
from lading_sftp import errors
from lading_sftp.errors import HandshakeFailed, HostKeyRefused, LoginRefused, NotAFile, NotSftp, translated

WORDS = "<script>words of a stranger</script>"


def every(base: type[asyncssh.Error]) -> list[Callable[..., asyncssh.Error]]:
    """The errors of asyncssh that are a ``base`` of one code: they are made from a reason."""
    kinds = [kind for kind in vars(asyncssh).values() if isinstance(kind, type) and issubclass(kind, base)]
    return [kind for kind in kinds if kind is not base]


def translation(error: Exception) -> PluginError:
    with pytest.raises(PluginError) as raised, translated("files.example"):
        raise error
    assert raised.value.__cause__ is error
    assert WORDS not in str(raised.value)
    assert raised.value.internal.startswith("files.example: ")
    return raised.value


@pytest.mark.parametrize("kind", every(asyncssh.SFTPError) + every(asyncssh.DisconnectError))
def test_every_error_has_a_translation(kind: Callable[..., asyncssh.Error]) -> None:
    error = kind(WORDS, "somebody") if kind is asyncssh.SFTPUnknownPrincipal else kind(WORDS)
    assert isinstance(translation(error), FetchError)


@pytest.mark.parametrize(
    ("error", "expected", "retryable"),
    [
        (asyncssh.SFTPNoSuchFile(WORDS), OriginNotFound, False),
        (asyncssh.SFTPNoSuchPath(WORDS), OriginNotFound, False),
        (asyncssh.SFTPPermissionDenied(WORDS), OriginDenied, False),
        (asyncssh.SFTPFailure(WORDS), OriginUnavailable, True),
        (asyncssh.SFTPFileIsADirectory(WORDS), NotAFile, False),
        (asyncssh.SFTPOpUnsupported(WORDS), OriginRejected, False),
        (asyncssh.SFTPBadMessage(WORDS), NotSftp, False),
        (asyncssh.SFTPConnectionLost(WORDS), ConnectionLost, True),
        (asyncssh.SFTPNoConnection(WORDS), ConnectionLost, True),
        (asyncssh.SFTPError(12345, WORDS), OriginRejected, False),
        (asyncssh.ConnectionLost(WORDS), ConnectionLost, True),
        (asyncssh.PermissionDenied(WORDS), LoginRefused, False),
        (asyncssh.HostKeyNotVerifiable(WORDS), HostKeyRefused, False),
        (asyncssh.KeyExchangeFailed(WORDS), HandshakeFailed, False),
        (asyncssh.ProtocolError(WORDS), NotSftp, False),
        (asyncssh.DisconnectError(7, WORDS), OriginUnavailable, True),
        (asyncssh.DisconnectError(12, WORDS), OriginUnavailable, True),
        (asyncssh.DisconnectError(11, WORDS), ConnectionLost, True),
        (asyncssh.ChannelOpenError(4, WORDS), OriginUnavailable, True),
        (asyncssh.ChannelOpenError(1, WORDS), OriginRejected, False),
        (ConnectionRefusedError(errno.ECONNREFUSED, WORDS), ConnectFailed, True),
        (OSError(errno.EHOSTUNREACH, WORDS), ConnectFailed, True),
        (OSError(f"Multiple exceptions: {WORDS}"), ConnectFailed, True),
        (TimeoutError(errno.ETIMEDOUT, WORDS), ConnectFailed, True),
        (ConnectionResetError(errno.ECONNRESET, WORDS), ConnectionLost, True),
        (BrokenPipeError(errno.EPIPE, WORDS), ConnectionLost, True),
        (socket.gaierror(socket.EAI_NONAME, WORDS), HostNotFound, False),
        (socket.gaierror(socket.EAI_AGAIN, WORDS), DnsFailed, True),
        (ValueError(WORDS), NotSftp, False),
    ],
)
def test_what_errors_mean(error: Exception, expected: type[PluginError], retryable: bool) -> None:
    translated_error = translation(error)
    assert type(translated_error) is expected
    assert translated_error.retryable is retryable


@pytest.mark.parametrize("error", [TimeoutError(), KeyError(), ConnectionLost("ours")])
def test_what_is_not_asyncsshs_passes_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated("files.example"):
        raise error
    assert raised.value is error


def test_own_codes_are_the_plugins_own() -> None:
    classes = [error for error in vars(errors).values() if isinstance(error, type)]
    own = [error for error in classes if issubclass(error, FetchError) and error.__module__ == errors.__name__]
    assert own
    assert all(error.code.startswith("sftp_") for error in own)
    assert len({error.code for error in own}) == len(own)
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert [error.code for error in own if f"`{error.code}`" not in readme] == []
