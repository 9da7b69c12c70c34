"""A token that is sent again is not read again, and is refused as soon as it would have been."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

import lading.service.api.auth.authenticator
import lading.service.secrets.keys
from lading.service.api.auth import Authenticator
from lading.service.api.auth.verified import MAX_TOKENS, VerifiedTokens
from lading.service.models.grants import Reason, Unauthorized
from lading.service.models.issuers import Issuer
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, claims, sign

ISSUER = Issuer("key-1", "org-1", SECRET)


class Desk:
    """An authenticator whose issuer and time may be changed, and that counts what it verifies."""

    def __init__(self) -> None:
        self.issuer: Issuer | None = ISSUER
        self.time = NOW
        self.verifications = 0
        self._authenticator = Authenticator(self._lookup, self)

    async def _lookup(self, _issuer_id: str) -> Issuer | None:
        return self.issuer

    def now(self) -> datetime:
        return self.time

    async def outcome(self, authorization: str) -> Reason | None:
        """Why the token is refused; None where it is not."""
        try:
            grant = await self._authenticator.authenticate(authorization)
        except Unauthorized as error:
            return error.reason
        assert grant.issuer_id == ISSUER.id
        return None


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    fits = lading.service.secrets.keys.signature_fits

    def counted(*arguments: object) -> bool:
        desk.verifications += 1
        return fits(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lading.service.api.auth.authenticator, "signature_fits", counted)
    return desk


TOKEN = "Bearer " + sign(claims(exp=NOW.timestamp() + 60, nbf=NOW.timestamp() - 60))


@pytest.mark.gen_test
async def test_it_is_verified_once(desk: Desk) -> None:
    assert [await desk.outcome(TOKEN) for _ in range(5)] == [None] * 5
    assert desk.verifications == 1


@pytest.mark.gen_test
async def test_another_signature_is_another_token(desk: Desk) -> None:
    assert await desk.outcome(TOKEN) is None
    forged = "Bearer " + sign(claims(exp=NOW.timestamp() + 60, nbf=NOW.timestamp() - 60), key=OTHER_SECRET)
    assert await desk.outcome(forged) is Reason.BAD_SIGNATURE
    assert await desk.outcome(TOKEN[:-1]) is not None
    assert await desk.outcome(forged) is Reason.BAD_SIGNATURE
    assert desk.verifications >= 3


@pytest.mark.gen_test
async def test_it_expires_when_it_says(desk: Desk) -> None:
    assert await desk.outcome(TOKEN) is None
    desk.time = NOW + timedelta(seconds=60)
    assert await desk.outcome(TOKEN) is Reason.EXPIRED
    desk.time = NOW - timedelta(seconds=61)
    assert await desk.outcome(TOKEN) is Reason.NOT_YET_VALID


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (None, Reason.UNKNOWN_ISSUER),
        (replace(ISSUER, enabled=False), Reason.DISABLED),
        (replace(ISSUER, key=OTHER_SECRET), Reason.BAD_SIGNATURE),
    ],
)
@pytest.mark.gen_test
async def test_a_change_of_its_issuer_holds_at_once(desk: Desk, changed: Issuer | None, reason: Reason) -> None:
    assert await desk.outcome(TOKEN) is None
    desk.issuer = changed
    assert await desk.outcome(TOKEN) is reason
    desk.issuer = replace(ISSUER, organization_id="another")
    assert await desk.outcome(TOKEN) is None


@pytest.mark.gen_test
async def test_the_key_before_ends_in_time(desk: Desk) -> None:
    until = NOW + timedelta(seconds=10)
    desk.issuer = replace(ISSUER, key=OTHER_SECRET, previous_key=SECRET, previous_until=until)
    assert [await desk.outcome(TOKEN) for _ in range(2)] == [None, None]
    assert desk.verifications == 1
    desk.time = until
    assert await desk.outcome(TOKEN) is Reason.BAD_SIGNATURE


@pytest.mark.gen_test
async def test_what_is_remembered_is_bounded_and_refusals_are_not(desk: Desk) -> None:
    tokens = [f"Bearer {sign(claims(exp=NOW.timestamp() + 60, jti=str(number)))}" for number in range(MAX_TOKENS + 1)]
    for token in tokens:
        assert await desk.outcome(token) is None
    assert await desk.outcome(tokens[1]) is None
    assert desk.verifications == MAX_TOKENS + 1
    assert await desk.outcome(tokens[0]) is None
    assert desk.verifications == MAX_TOKENS + 2
    assert await desk.outcome(tokens[1]) is None
    assert desk.verifications == MAX_TOKENS + 2


@pytest.mark.gen_test
async def test_nothing_secret_shows(desk: Desk) -> None:
    known = VerifiedTokens()
    authenticator = desk._authenticator
    await authenticator.authenticate(TOKEN)
    verified = authenticator._known.get(TOKEN)
    assert verified is not None
    known.keep(TOKEN, verified)
    assert SECRET not in repr(verified)
    assert TOKEN.removeprefix("Bearer ") not in repr(verified)
    assert TOKEN not in repr(vars(known))
