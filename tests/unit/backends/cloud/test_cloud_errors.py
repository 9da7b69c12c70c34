"""Wrong keys, and clocks that differ, are told as that, and not as a missing permission."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from google.auth.exceptions import MalformedError, RefreshError
from google.oauth2.service_account import Credentials
from requests import Request, Response

from lading.backends.gcs import errors as gcs
from lading.backends.s3 import errors as s3
from lading.plugins.errors import StorageDenied, StorageError, StorageUnavailable


def of_s3(code: str, status: int = 403) -> StorageError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(StorageError) as caught, s3.translated("bucket"):
        raise ClientError(answer, "PutObject")
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("InvalidAccessKeyId", StorageDenied, "does not know the access key"),
        ("InvalidClientTokenId", StorageDenied, "does not know the access key"),
        ("SignatureDoesNotMatch", StorageDenied, "the secret does not belong to the access key"),
        ("InvalidToken", StorageDenied, "the session token does not belong to the access key"),
        ("RequestTimeTooSkewed", StorageUnavailable, "the clock of this machine"),
    ],
)
def test_s3_tells_keys_and_clocks(code: str, kind: type[StorageError], said: str) -> None:
    error = of_s3(code)
    assert type(error) is kind
    assert said in error.internal
    assert "s3:PutObject" not in error.internal
    assert said not in error.detail, "it is for the operator alone"


def test_s3_tells_a_missing_permission() -> None:
    error = of_s3("AccessDenied")
    assert type(error) is StorageDenied
    assert "needed is s3:PutObject" in error.internal


def of_gcs(error: Exception) -> StorageError:
    with pytest.raises(StorageError) as caught, gcs.translated("bucket", "create"):
        raise error
    return caught.value


REASONABLE = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RefreshError("invalid_grant: Invalid JWT Signature."), StorageDenied, "does not accept these credentials"),
        (RefreshError("invalid_grant: account not found"), StorageDenied, "does not accept these credentials"),
        (
            RefreshError(f"invalid_grant: {REASONABLE} Check your iat and exp values in the JWT claim."),
            StorageUnavailable,
            "set its clock",
        ),
        (RefreshError("the metadata server does not answer"), StorageUnavailable, "cannot be reached"),
        (MalformedError("no key"), StorageError, "cannot be read"),
    ],
)
def test_google_tells_keys_and_clocks(error: Exception, kind: type[StorageError], said: str) -> None:
    told = of_gcs(error)
    assert type(told) is kind
    assert said in told.internal


def test_google_names_a_file_of_credentials_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "missing.json"
    with pytest.raises(StorageError, match="credentials_file") as caught, gcs.translated("bucket", "create"):
        Credentials.from_service_account_file(str(path))
    assert type(caught.value) is StorageError
    assert str(path) in caught.value.internal


@pytest.mark.parametrize(("status", "said"), [(401, "does not accept the credentials"), (403, "needed is storage")])
def test_google_tells_credentials_from_permissions(status: int, said: str) -> None:
    response = Response()
    response.status_code = status
    response._content = b"{}"
    response.request = Request("GET", "http://127.0.0.1/").prepare()
    with pytest.raises(StorageDenied) as caught, gcs.translated("bucket", "create"):
        gcs.refuse(response)
    assert said in caught.value.internal
