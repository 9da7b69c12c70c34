"""Issuers that the document store keeps: with secrets and with public keys, while their keys change."""

from datetime import timedelta

import pytest

from lading.service.api.auth import issue_token
from lading.service.models.issuers import Algorithm, Issuer
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.servers.service import Client
from tests.support.tokens import key_text, private_key, private_pem

FORM = b"album_id=album&url=http%3A%2F%2F127.0.0.1%2F"
HOUR = timedelta(hours=1)


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "LADING_AUTH__ISSUER_CACHE": "0"}


def token_of(name: str, number: int, clock: SettableClock) -> str:
    issuer = Issuer("managed", "organization", key_text(name, number), Algorithm(name))
    pem = None if issuer.algorithm.uses_secret else private_pem(private_key(name, number))
    abilities = {"album": ("image_upload",)}
    return issue_token(issuer, abilities=abilities, now=clock.now(), expires=24 * HOUR, private_key=pem)


@pytest.mark.parametrize("name", ["HS256", "RS256", "ES256", "EdDSA"])
@pytest.mark.gen_test
async def test_tokens_of_both_keys_are_accepted_until_the_grace_has_ended(
    assembled: Assembled, client: Client, clock: SettableClock, name: str
) -> None:
    old, new = (Client(client.base, token_of(name, number, clock)) for number in (0, 1))

    async def codes() -> list[int]:
        return [(await one.post(FORM)).code for one in (old, new)]

    assert await codes() == [401, 401]
    store = assembled.parts.store
    await store.add_issuer(Issuer("managed", "organization", key_text(name, 0), Algorithm(name)))
    assert await codes() == [200, 401]
    assert await store.rotate_issuer("managed", key_text(name, 1), clock.now() + HOUR)
    assert await codes() == [200, 200]
    clock.advance(HOUR)
    assert await codes() == [401, 200]
    assert await store.drop_previous_keys() == 1
    assert await codes() == [401, 200]
    assert await store.set_issuer_enabled("managed", False)
    assert await codes() == [401, 401]
