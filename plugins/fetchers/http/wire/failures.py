"""What aiohttp and OpenSSL raise, as errors of ours, with nothing in them but what may be logged.

aiohttp's errors hold the whole URL, whose query may be secret: they are never chained to ours (``from None``), and what
may be logged of them is spelled out.
"""

import contextlib
import ssl
from collections.abc import Iterator

import aiohttp

from ....errors import (
    AddressNotAllowed,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    OriginProtocolError,
    TlsFailed,
)
from ....net.sockets import AddressDenied
from ....net.tls import tls_failure
from ....net.urls import HttpUrl
from ..clock import timed_out
from .timer import ConnectTimedOut


@contextlib.contextmanager
def translated(url: HttpUrl, connect_timeout: float = 0) -> Iterator[None]:
    """Turn what the block raises into errors of ours.

    Args:
        url: what is asked for.
        connect_timeout: seconds that connecting may take.

    Raises:
        FetchError: in place of what aiohttp raises.
    """
    try:
        yield
    except (aiohttp.ConnectionTimeoutError, ConnectTimedOut):
        raise timed_out("the connection", connect_timeout) from None
    except ssl.SSLError as error:  # first: aiohttp's own TLS errors are connection errors as well
        raise _tls_failure(url, error) from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, AddressDenied):
            raise AddressNotAllowed(f"{url.loggable}: {error.os_error.strerror}") from None
        raise ConnectFailed(f"{url.loggable}: {error.os_error.strerror}") from None
    except aiohttp.ClientPayloadError:
        raise BodyTruncated(url.loggable) from None
    except aiohttp.ClientResponseError as error:
        raise OriginProtocolError(
            f"{url.loggable}: {type(error.__cause__).__name__}", reason="its head is malformed"
        ) from None
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        raise ConnectionLost(f"{url.loggable}: {type(error).__name__}") from None


def _tls_failure(url: HttpUrl, error: ssl.SSLError) -> TlsFailed:
    """aiohttp wraps OpenSSL's error in one of its own."""
    return tls_failure(url.loggable, error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error)
