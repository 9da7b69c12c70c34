"""What OpenSSL says of a failed handshake, as errors of ours."""

import ssl
from collections.abc import Mapping
from typing import Final

from ..errors import (
    TlsCertificateExpired,
    TlsCertificateNotYetValid,
    TlsFailed,
    TlsHandshakeFailed,
    TlsIssuerUnknown,
    TlsNameMismatch,
    TlsSelfSigned,
)

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


def tls_failure(place: str, error: Exception) -> TlsFailed:
    """The error for what OpenSSL raised: an ``ssl.SSLError``, or what ended its handshake.

    Args:
        place: what was connected to, for the operator's log.
        error: what OpenSSL raised.
    """
    text = str(getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(error.verify_code, TlsFailed)(f"{place}: {text}")
    kind = TlsNameMismatch if "UNRECOGNIZED_NAME" in text else TlsHandshakeFailed
    return kind(f"{place}: {text}")
