"""Wrong keys, and clocks that differ, are told as that, and not as a missing permission."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, PartialCredentialsError, ProfileNotFound
from google.auth.exceptions import MalformedError, RefreshError
from google.oauth2.service_account import Credentials
from requests import Request, Response

from lading.backends.cloud.skew import skew_of
from lading.backends.gcs import errors as gcs
from lading.backends.s3 import errors as s3
from lading.plugins.errors import StorageDenied, StorageError, StorageUnavailable


def of_s3(code: str | None, status: int = 403, *, message: str | None = "m", date: str = "") -> StorageError:
    headers = {"date": date} if date else {}
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    with pytest.raises(StorageError) as caught, s3.translated("bucket"):
        raise ClientError(answer, "PutObject")
    return caught.value


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("InvalidAccessKeyId", "does not know the access key"),
        ("InvalidClientTokenId", "does not know the access key"),
        ("SignatureDoesNotMatch", "the secret does not belong to the access key"),
        ("InvalidToken", "the session token does not belong to the access key"),
        ("ExpiredToken", "the session of the credentials has ended"),
        ("RequestTimeTooSkewed", "set the clock of this machine"),
        ("RequestExpired", "set the clock of this machine"),
    ],
)
def test_s3_tells_keys_and_clocks(code: str, said: str) -> None:
    error = of_s3(code)
    assert type(error) is StorageUnavailable, "imports wait, for it is no fault of theirs"
    assert said in error.internal
    assert "s3:PutObject" not in error.internal
    assert said not in error.detail, "it is for the operator alone"


@pytest.mark.parametrize("error", [ProfileNotFound(profile="p"), PartialCredentialsError(provider="env", cred_var="K")])
def test_imports_wait_for_keys_that_somebody_is_writing(error: BotoCoreError) -> None:
    with pytest.raises(StorageUnavailable, match="set them in the environment, a profile"), s3.translated("bucket"):
        raise error


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "AccessDenied"])
@pytest.mark.parametrize(
    ("hours", "said"), [(1, "this machine's clock is 1 h behind"), (-1, "this machine's clock is 1 h ahead of")]
)
def test_s3_tells_by_how_much_the_clock_is_off(code: str, hours: int, said: str) -> None:
    there = datetime.now(UTC) + timedelta(hours=hours)
    assert said in of_s3(code, date=format_datetime(there, usegmt=True)).internal


@pytest.mark.parametrize(
    ("date", "said"),
    [
        (None, ""),
        ("", ""),
        ("tomorrow", ""),
        ("Wed, 02 Dec 2026 11:59:30 GMT", ""),
        ("Wed, 02 Dec 2026 11:44:30 GMT", "16 min ahead of the server"),
        ("Wed, 02 Dec 2026 13:02:00 GMT", "1 h 2 min behind the server"),
        ("Mon, 30 Nov 2026 11:00:00 -0000", "2 d 1 h ahead of the server"),
        ("Wed, 02 Dec 2026 14:00:00 +0100", "1 h behind the server"),
    ],
)
def test_a_difference_of_clocks(date: str | None, said: str) -> None:
    assert skew_of(date, datetime(2026, 12, 2, 12, tzinfo=UTC)) == said


@pytest.mark.parametrize(("code", "message"), [("403", "Forbidden"), (None, None), ("AccessDenied", None)])
def test_s3_tells_nothing_that_the_server_did_not_say(code: str | None, message: str | None) -> None:
    text = of_s3(code, message=message).internal
    assert "None" not in text
    assert text.count("403") == 1


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
        (
            RefreshError("invalid_grant: Invalid JWT Signature."),
            StorageUnavailable,
            "does not accept these credentials",
        ),
        (RefreshError("invalid_grant: account not found"), StorageUnavailable, "does not accept these credentials"),
        (
            RefreshError(f"invalid_grant: {REASONABLE} Check your iat and exp values in the JWT claim."),
            StorageUnavailable,
            "set its clock",
        ),
        (RefreshError("the metadata server does not answer"), StorageUnavailable, "cannot be reached"),
        (MalformedError("no key"), StorageUnavailable, "cannot be read"),
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
    assert type(caught.value) is StorageUnavailable
    assert str(path) in caught.value.internal


@pytest.mark.parametrize(
    ("status", "hours", "kind", "said"),
    [
        (401, 0, StorageUnavailable, "does not accept the credentials: correct them"),
        (401, 2, StorageUnavailable, "set the clock of this machine, which is 2 h behind the server"),
        (403, 0, StorageDenied, "needed is storage"),
    ],
)
def test_google_tells_credentials_from_permissions(
    status: int, hours: int, kind: type[StorageError], said: str
) -> None:
    response = Response()
    response.status_code = status
    response._content = b"{}"
    response.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    response.request = Request("GET", "http://127.0.0.1/").prepare()
    with pytest.raises(kind) as caught, gcs.translated("bucket", "create"):
        gcs.refuse(response)
    assert type(caught.value) is kind
    assert said in caught.value.internal
