"""Turns errors of Google Cloud Storage and its library into ``lading.plugins.errors``, with a remedy in the text."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from google.api_core.exceptions import GoogleAPIError, from_http_response
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, MalformedError, RefreshError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from ...plugins.errors import (
    ContentMismatch,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from ..cloud.bucket import let_go
from ..cloud.skew import skew_of

_CREATING: Final = "storage.objects.create (with a KMS key also its role cloudkms.cryptoKeyEncrypterDecrypter)"
PERMISSIONS: Final[Mapping[str, str]] = {
    "create": _CREATING,
    "send": _CREATING,
    "abort": _CREATING,
    "ping": _CREATING,
    "read": "storage.objects.get, or storage.objects.list, without which a missing object is refused, not missing",
    "delete": "storage.objects.delete",
    "list": "storage.objects.list",
    "sign": "iam.serviceAccounts.signBlob",
}
"""The permissions of each operation: https://cloud.google.com/storage/docs/access-control/iam-json"""

# https://cloud.google.com/storage/docs/json_api/v1/status-codes
_STATUSES: Final[Mapping[int, type[StorageError]]] = {
    401: StorageUnavailable,  # until somebody corrects the credentials or the clock
    403: StorageDenied,
    404: ObjectNotFound,
    408: StorageUnavailable,
    409: StorageUnavailable,
    410: StorageUnavailable,  # the upload no longer exists; the next save begins a new one
    412: ObjectExists,
    429: StorageUnavailable,
    507: StorageFull,
}
_THROTTLED: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
"""Reasons of a 403 that is no refusal."""
_CLOCK: Final = "iat and exp"
"""In what Google's token server says of a signature that was made at another time than its own."""
_REFUSED_KEYS: Final = ("invalid_grant", "invalid_client", "deleted_client", "unauthorized_client")
"""Codes of the token server (RFC 6749 section 5.2, and Google's own): no try is accepted until somebody
changes the key.
"""
_SERVER_ERROR: Final = 500
_BAD_REQUEST: Final = 400
_UNAUTHENTICATED: Final = 401
_TEXT_LENGTH: Final = 300


@contextmanager
def translated(bucket: str, operation: str) -> Iterator[None]:
    """Translate the errors of an exchange within the block. Raises StorageError."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, HTTPError, OSError, ValueError) as error:
        let_go(error)
        raise _translation(error, bucket, operation) from error


def refuse(response: Response) -> None:
    """Raise the library's error for the answer."""
    raise from_http_response(response)


def _translation(error: Exception, bucket: str, operation: str) -> StorageError:
    text = f"{type(error).__name__}: {error}"[:_TEXT_LENGTH]
    response = getattr(error, "response", None)
    if isinstance(response, Response):
        return _refusal(response, text, bucket, operation)
    if isinstance(error, MalformedError) or (isinstance(error, OSError) and error.filename):
        # Somebody may be replacing the file.
        return StorageUnavailable(
            f"the credentials for Google Cloud Storage cannot be read ({text}): correct "
            "GOOGLE_APPLICATION_CREDENTIALS, or credentials_file in [storage.gcs]"
        )
    if isinstance(error, RefreshError) and _CLOCK in text:
        return StorageUnavailable(f"Google does not accept the time of this machine: set its clock ({text})")
    if isinstance(error, RefreshError) and any(code in text for code in _REFUSED_KEYS):
        return StorageUnavailable(
            f"Google does not accept these credentials ({text}): create another key of the service account, and "
            "correct GOOGLE_APPLICATION_CREDENTIALS, or credentials_file in [storage.gcs]"
        )
    if isinstance(error, DefaultCredentialsError):
        # The server of a machine's credentials may be down for a while; the library then reports no credentials.
        return StorageUnavailable(
            f"no credentials for Google Cloud Storage ({text}): set GOOGLE_APPLICATION_CREDENTIALS, give the machine "
            "or workload a service account, or set credentials_file in [storage.gcs]"
        )
    if isinstance(error, DataCorruption):
        return ContentMismatch(text)
    if isinstance(error, (RequestException, GoogleAuthError, HTTPError, OSError)):
        return StorageUnavailable(f"Google Cloud Storage cannot be reached: {text}")
    return StorageError(f"Google Cloud Storage cannot be used so: {text}")


def _refusal(response: Response, text: str, bucket: str, operation: str) -> StorageError:
    status = response.status_code
    cls = _STATUSES.get(status) or (StorageUnavailable if status >= _SERVER_ERROR else StorageError)
    if status == _BAD_REQUEST and operation in ("create", "send"):
        cls = ContentMismatch  # a wrong checksum has no code of its own
    if cls is ObjectNotFound and operation == "send":
        cls = StorageUnavailable  # as for 410
    if _reasons(response) & _THROTTLED:
        cls = StorageUnavailable
    text = f"{operation} in bucket {bucket}: status {status}: {text}"
    if status == _UNAUTHENTICATED:
        skew = skew_of(response.headers.get("Date"))
        text += "; the server does not accept the credentials: " + (
            f"set the clock of this machine, which is {skew}" if skew else "correct them"
        )
    elif cls is StorageDenied:
        text += f"; needed is {PERMISSIONS[operation]}"
    elif cls is ObjectNotFound and operation in ("create", "list", "ping"):
        cls, text = StorageError, f"{text}; create the bucket, or correct bucket or endpoint in [storage.gcs]"
    return cls(text, retry_after=_retry_after(response))


def _reasons(response: Response) -> set[str]:
    try:
        errors: Any = response.json()["error"]["errors"]
        return {str(error["reason"]) for error in errors}
    except (ValueError, KeyError, TypeError):
        return set()


def _retry_after(response: Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
