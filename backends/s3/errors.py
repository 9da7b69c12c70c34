"""Turns errors of S3 and botocore into ``lading.plugins.errors``, with a remedy in the text."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as UnconnectedError,
)

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

PERMISSIONS: Final[Mapping[str, str]] = {
    "PutObject": "s3:PutObject (with an ACL also s3:PutObjectAcl, with a KMS key also kms:GenerateDataKey)",
    "CreateMultipartUpload": "s3:PutObject (with an ACL also s3:PutObjectAcl, with a KMS key also kms:GenerateDataKey)",
    "UploadPart": "s3:PutObject (with a KMS key also kms:GenerateDataKey and kms:Decrypt)",
    "CompleteMultipartUpload": "s3:PutObject (with a KMS key also kms:Decrypt)",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "HeadObject": "s3:GetObject, or s3:ListBucket, without which a missing object is refused rather than missing",
    "GetObject": "s3:GetObject (with a KMS key also kms:Decrypt), or s3:ListBucket, without which a missing object is "
    "refused rather than missing",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
"""The permissions of each operation:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

# Codes whose status alone does not say it: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CODES: Final[Mapping[str, type[StorageError]]] = {
    "BadDigest": ContentMismatch,
    "InvalidDigest": ContentMismatch,
    "XAmzContentChecksumMismatch": ContentMismatch,
    "XAmzContentSHA256Mismatch": ContentMismatch,
    "IncompleteBody": StorageUnavailable,
    "RequestTimeout": StorageUnavailable,
    "SlowDown": StorageUnavailable,
    "ThrottlingException": StorageUnavailable,
    "TooManyRequests": StorageUnavailable,
    "ConditionalRequestConflict": StorageUnavailable,
    "OperationAborted": StorageUnavailable,
    "NoSuchUpload": StorageUnavailable,  # somebody else aborted it; the next save begins a new one
    # The keys or the clock of this service are wrong: an outage of Lading's own, which ends when somebody mends it.
    "ExpiredToken": StorageUnavailable,  # the chain of credentials fetches a new one
    "InvalidAccessKeyId": StorageUnavailable,
    "InvalidClientTokenId": StorageUnavailable,
    "InvalidToken": StorageUnavailable,
    "RequestExpired": StorageUnavailable,
    "RequestTimeTooSkewed": StorageUnavailable,
    "SignatureDoesNotMatch": StorageUnavailable,
    "NoSuchBucket": StorageError,
    "QuotaExceeded": StorageFull,
    "XMinioStorageFull": StorageFull,
    "XMinioAdminBucketQuotaExceeded": StorageFull,
}
_KEYS: Final = "in the environment, the profile, the role, or access_key_id and secret_access_key of [storage.s3]"
_UNKNOWN_KEY: Final = f"the server does not know the access key: correct it {_KEYS}"
_CLOCK: Final = "this machine's clock and the server's differ by more than 15 minutes: set the clock of this machine"
_REMEDIES: Final[Mapping[str, str]] = {
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": f"the secret does not belong to the access key: correct it {_KEYS}",
    "InvalidToken": f"the session token does not belong to the access key: correct it {_KEYS}",
    "ExpiredToken": f"the session of the credentials has ended: renew them {_KEYS}",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "NoSuchBucket": "create the bucket, or correct bucket, endpoint or region in [storage.s3]",
}
"""Causes that no permission mends."""
_UNUSABLE: Final = (
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
"""Credentials that cannot be found or read. The server of a machine's credentials may be down for a while, and somebody
may be replacing a file of keys.
"""
_STATUSES: Final[Mapping[int, type[StorageError]]] = {
    401: StorageDenied,
    403: StorageDenied,
    404: ObjectNotFound,
    408: StorageUnavailable,
    412: ObjectExists,
    429: StorageUnavailable,
    507: StorageFull,
}
_UNWELCOME: Final = (400, 401, 403)
"""Answers that a wrong clock may cause."""
_SERVER_ERROR: Final = 500
_TEXT_LENGTH: Final = 300


@contextmanager
def translated(bucket: str) -> Iterator[None]:
    """Translate the errors of an exchange within the block. Raises StorageError."""
    try:
        yield
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        let_go(error)
        raise _translation(error, bucket) from error


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return int(_metadata(error).get("HTTPStatusCode", 0))


def answered(error: StorageError) -> int:
    """The status of the answer behind an error that ``translated`` raised; 0 if there was none."""
    cause = error.__cause__
    return status_of(cause) if isinstance(cause, ClientError) else 0


def code_of(error: ClientError) -> str:
    """The code in the answer's body; empty without a body, as in the answer to every HEAD request."""
    code = str(error.response.get("Error", {}).get("Code") or "")
    return "" if code.isdigit() else code  # botocore puts the status in the place of a missing code


def _translation(error: Exception, bucket: str) -> StorageError:
    text = f"{type(error).__name__}: {error}"[:_TEXT_LENGTH]
    if isinstance(error, ClientError):
        return _refusal(error, bucket)
    if isinstance(error, _UNUSABLE):
        return StorageUnavailable(
            f"no credentials for S3 ({text}): set them in the environment, a profile, the role of the machine or "
            "container, or [storage.s3]"
        )
    if isinstance(error, (UnconnectedError, HTTPClientError, ResponseStreamingError, IncompleteReadError, OSError)):
        return StorageUnavailable(f"S3 cannot be reached: {text}")
    return StorageError(f"S3 cannot be used so: {text}")


def _refusal(error: ClientError, bucket: str) -> StorageError:
    status, code, operation = status_of(error), code_of(error), error.operation_name
    message = str(error.response.get("Error", {}).get("Message") or "")[:_TEXT_LENGTH]
    text = f"{operation} in bucket {bucket}: " + ", ".join(filter(None, (f"status {status}", code)))
    text += f": {message}" if message else ""
    cls = _CODES.get(code) or _STATUSES.get(status) or (StorageUnavailable if status >= _SERVER_ERROR else StorageError)
    if code in _REMEDIES:
        text += f"; {_REMEDIES[code]}"
    elif cls is StorageDenied:
        text += f"; needed is {PERMISSIONS.get(operation, operation)}"
    elif status in (301, 307) or code in ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
        text += "; the bucket is in another region: set region in [storage.s3]"
    if status in _UNWELCOME and (skew := skew_of(_headers(error).get("date"))):
        text += f"; this machine's clock is {skew}"
    return cls(text, retry_after=_retry_after(error))


def _retry_after(error: ClientError) -> float | None:
    value = _headers(error).get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _headers(error: ClientError) -> Mapping[str, str]:
    headers: Mapping[str, str] = _metadata(error).get("HTTPHeaders", {})
    return headers


def _metadata(error: ClientError) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    return metadata
