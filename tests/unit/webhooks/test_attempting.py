"""What becomes of one attempt at a delivery."""

import asyncio
from datetime import timedelta

import pytest

from lading.plugins.capabilities import PostAnswer
from lading.plugins.errors import AddressNotAllowed, ConnectFailed, FetchTimeout, PluginError
from lading.service.secrets.vault import Vault
from lading.service.webhooks.delivery.attempt import KEY_PAUSE
from lading.service.webhooks.delivery.post import Posting
from lading.service.webhooks.delivery.record import MAX_LOGGED, Delivery, DeliveryStatus, import_owner
from lading.service.webhooks.endpoints import ENDPOINT, SECRET, Endpoint, Signing, secret_record_id
from lading.service.webhooks.management import Endpoints
from tests.support.sending import KEEP, Sending
from tests.support.webhooks import verified
from tests.unit.webhooks.test_announcing import KEYS, own_webhook

PENDING, DELIVERED, FAILED = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED


async def one_delivery(*keys: str) -> tuple[Sending, Endpoint]:
    sending = await Sending.opened(*keys)
    endpoint = await sending.endpoint()
    await sending.ended()
    await sending.announcer.sweep()
    return sending, endpoint


def delay(sending: Sending, delivery: Delivery) -> float:
    assert delivery.due_at is not None
    return (delivery.due_at - sending.clock.now()).total_seconds()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.gen_test
async def test_any_2xx_is_accepted(status: int) -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [PostAnswer(status)]
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.due_at, delivery.attempts[0].error) == (DELIVERED, None, None)
    assert delivery.expires_at == sending.clock.now() + KEEP


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 418, 500, 502])
@pytest.mark.gen_test
async def test_all_else_is_tried_again(status: int) -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [PostAnswer(status, 3000.0)]  # asked for where it counts for nothing
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.attempts[0].error) == (PENDING, "receiver_refused")
    assert 4.5 <= delay(sending, delivery) <= 5.5


@pytest.mark.parametrize(("status", "asked", "waits"), [(429, 100.0, 100.0), (503, 3600.0, 3600.0), (503, 1.0, 5.0)])
@pytest.mark.gen_test
async def test_retry_after_is_obeyed(status: int, asked: float, waits: float) -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [PostAnswer(status, asked)]
    delivery = await sending.attempt(endpoint.id)
    assert delay(sending, delivery) == pytest.approx(waits, rel=0.11)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectFailed("down"), PENDING),
        (FetchTimeout(phase="head", seconds="1"), PENDING),
        (AddressNotAllowed("10.0.0.1"), FAILED),
        (RuntimeError("a plugin's own"), PENDING),
    ],
)
@pytest.mark.gen_test
async def test_what_cannot_be_sent_is_tried_again_unless_it_never_can(error: Exception, status: DeliveryStatus) -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [error]
    delivery = await sending.attempt(endpoint.id)
    code = error.code if isinstance(error, PluginError) else "plugin_fault"
    assert (delivery.status, delivery.attempts[0].status, delivery.attempts[0].error) == (status, None, code)


@pytest.mark.gen_test
async def test_the_log_has_the_reason_and_no_path_which_may_be_secret(capsys: pytest.CaptureFixture[str]) -> None:
    sending = await Sending.opened()
    endpoint = await sending.endpoint("test://receiver/services/d41d8cd98f")
    await sending.ended()
    await sending.announcer.sweep()
    sending.fetcher.answers = [ConnectFailed("test://receiver/services/d41d8cd98f: refused")]
    await sending.attempt(endpoint.id)
    logged = "".join(capsys.readouterr())
    assert "test://receiver/…: refused" in logged
    assert "d41d8cd98f" not in logged


@pytest.mark.gen_test
async def test_it_ends_after_ten_attempts_and_a_replay_begins_anew() -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [PostAnswer(500)] * 100
    waited = 0.0
    for number in range(1, 11):
        delivery = await sending.attempt(endpoint.id)
        assert delivery.made == number
        if delivery.due_at is not None:
            waited += delay(sending, delivery)
            sending.clock.advance(delivery.due_at - sending.clock.now())
    assert (delivery.status, delivery.due_at) == (FAILED, None)
    assert 20 * 3600 < waited < 27 * 3600
    for _ in range(15):
        replayed = (await sending.delivery(endpoint.id)).replayed(sending.clock.now(), KEEP)
        assert await sending.store.records.replace(replayed.record)
        delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.tries, delivery.made) == (PENDING, 1, 25)
    assert len(delivery.attempts) == MAX_LOGGED
    assert len({request.headers["webhook-id"] for request in sending.fetcher.posted}) == 1


@pytest.mark.gen_test
async def test_410_disables_the_endpoint() -> None:
    sending, endpoint = await one_delivery()
    sending.fetcher.answers = [PostAnswer(410)]
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.attempts[0].error) == (FAILED, "receiver_gone")
    record = await sending.store.records.get(ENDPOINT, endpoint.id)
    assert record is not None
    assert (record.data["enabled"], record.data["disabled_reason"]) == (False, "gone")
    replayed = delivery.replayed(sending.clock.now(), KEEP)
    assert await sending.store.records.replace(replayed.record)
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.attempts[-1].error) == (FAILED, "endpoint_disabled")
    assert len(sending.fetcher.posted) == 1


@pytest.mark.gen_test
async def test_nothing_is_sent_to_a_deleted_endpoint() -> None:
    sending, endpoint = await one_delivery()
    await sending.store.records.delete(ENDPOINT, endpoint.id)
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.attempts[-1].error) == (FAILED, "endpoint_deleted")
    assert sending.fetcher.posted == []


@pytest.mark.gen_test
async def test_the_earlier_secret_signs_for_a_day() -> None:
    sending, _ = await one_delivery()
    old = Signing.new()
    new = old.rotated(sending.clock.now())
    assert Signing.opened(new.sealed(sending.vault), sending.vault) == new
    assert new.signers(sending.clock.now()) == (new.secret, old.secret)
    sending.clock.advance(timedelta(hours=24))
    assert new.signers(sending.clock.now()) == (new.secret,)
    assert old.secret not in repr(new)
    assert new.secret not in repr(new)


@pytest.mark.gen_test
async def test_a_missing_key_costs_no_attempt() -> None:
    sending, endpoint = await one_delivery(KEYS[0])
    vault = sending.attempting.vault
    object.__setattr__(sending.attempting, "vault", Vault(KEYS[1:]))
    delivery = await sending.attempt(endpoint.id)
    assert (delivery.status, delivery.made, delivery.due_at) == (PENDING, 0, sending.clock.now() + KEY_PAUSE)
    object.__setattr__(sending.attempting, "vault", vault)
    assert (await sending.attempt(endpoint.id)).status is DELIVERED


@pytest.mark.gen_test
async def test_what_an_import_asked_for_is_signed_with_the_issuer_s_secret() -> None:
    sending = await Sending.opened()
    posting = Posting({}, 1.0)
    endpoints = Endpoints(sending.store, sending.directory, posting, sending.vault, sending.clock, 16)
    secret = (await endpoints.ensure_secret("issuer")).secret
    document = await sending.ended(own_webhook(sending.vault, "test://receiver/own"))
    await sending.announcer.sweep()
    sending.fetcher.answers = [PostAnswer(410)]
    # Signed at the time of this clock, which the library holds to be long ago.
    delivery = await sending.attempt(import_owner(document.id))
    assert (delivery.status, delivery.attempts[0].error) == (FAILED, "receiver_gone")
    (request,) = sending.fetcher.posted
    assert request.target == "test://receiver/own"
    with pytest.raises(Exception, match="too old"):
        verified(request, secret)
    await sending.store.records.delete(SECRET, secret_record_id("issuer"))
    replayed = delivery.replayed(sending.clock.now(), KEEP)
    assert await sending.store.records.replace(replayed.record)
    assert (await sending.attempt(import_owner(document.id))).attempts[-1].error == "endpoint_deleted"


@pytest.mark.gen_test
async def test_secrets_made_at_once_are_one() -> None:

    sending = await Sending.opened()
    endpoints = Endpoints(sending.store, sending.directory, Posting({}, 1.0), sending.vault, sending.clock, 16)
    made = await asyncio.gather(*(endpoints.ensure_secret("issuer") for _ in range(20)))
    assert len({one.secret for one in made}) == 1
