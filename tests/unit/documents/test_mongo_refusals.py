"""Which errors of a MongoDB server end the start, since nothing but the configuration mends them."""

import pytest
from pymongo.errors import OperationFailure

from lading.service.documents import StoreUnavailable
from lading.service.documents.mongo.connection import Connection, MongoOptions
from tests.support.clock import SettableClock


@pytest.mark.parametrize(
    ("code", "text", "problem"),
    [
        (18, "Authentication failed.", "does not accept this user"),
        (8000, "bad auth : Authentication failed.", "does not accept this user"),
        (8000, "bad auth Authentication failed.", "does not accept this user"),
        (8000, "you are over your space quota, using 513 MB of 512 MB", None),
        (8000, "user is not allowed to do action [find] on [lading.imports]", None),
        (13, "not authorized on lading to execute command", "needs the role readWrite"),
        (189, "primary stepped down", None),
    ],
)
def test_only_an_error_that_says_so_is_a_wrong_password(code: int, text: str, problem: str | None) -> None:
    connection = Connection(MongoOptions("mongodb://localhost"), SettableClock())
    error = StoreUnavailable(text)
    error.__cause__ = OperationFailure(text, code, {"ok": 0, "errmsg": text, "code": code})
    refusal = connection.refusal_of(error)
    assert (refusal is None) == (problem is None)
    if refusal is not None and problem is not None:
        assert problem in refusal.problem
