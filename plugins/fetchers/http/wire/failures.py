"""What aiohttp and OpenSSL raise, as errors of ours, with nothing in them but what may be logged.

aiohttp's errors hold the whole URL, whose query may be secret: they are never chained to ours (``from None``), and what
may be logged of them is spelled out.
"""

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

import aiohttp

from ....errors import (
    AddressNotAllowed,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    OriginProtocolError,
    TlsCertificateExpired,
    TlsCertificateNotYetValid,
    TlsFailed,
    TlsHandshakeFailed,
    TlsIssuerUnknown,
    TlsNameMismatch,
    TlsSelfSigned,
)
from ....net.sockets import AddressDenied
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


_CERTIFICATE_FAULTS: Final[Mapping[int, type[TlsFailed]]] = {
    2: TlsIssuerUnknown,  # unable to get issuer certificate
    9: TlsCertificateNotYetValid,
    10: TlsCertificateExpired,
    18: TlsSelfSigned,
    19: TlsIssuerUnknown,  # the origin sent a root that nobody trusts
    20: TlsIssuerUnknown,  # unable to get local issuer certificate
    21: TlsIssuerUnknown,  # unable to verify the first certificate
    62: TlsNameMismatch,
    64: TlsNameMismatch,  # of an address
}
"""By OpenSSL's ``X509_V_ERR`` numbers, see X509_STORE_CTX_get_error(3)."""


def _tls_failure(url: HttpUrl, error: ssl.SSLError) -> TlsFailed:
    """Choose by what OpenSSL says; aiohttp wraps its error in one of its own."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = str(getattr(inner, "verify_message", None) or getattr(inner, "reason", None) or type(inner).__name__)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(inner.verify_code, TlsFailed)(f"{url.loggable}: {text}")
    kind = TlsNameMismatch if "UNRECOGNIZED_NAME" in text else TlsHandshakeFailed
    return kind(f"{url.loggable}: {text}")
