"""Signatures as the library verifies them, and as the published test vector has them."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from lading.service.webhooks.delivery.signing import check_secret, new_secret, signed_headers

BODY = json.dumps({"type": "import.done", "data": {"filename": "Übung.jpg"}}, ensure_ascii=False).encode()


def now() -> datetime:
    return datetime.now(UTC)


def test_a_receiver_verifies_it_with_the_library() -> None:
    secret = new_secret()
    check_secret(secret)
    headers = dict(signed_headers("evt_1", BODY, [secret], now()))
    assert headers["webhook-id"] == "evt_1"
    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


def test_while_a_secret_is_changed_both_verify() -> None:
    new, old, other = new_secret(), new_secret(), new_secret()
    headers = dict(signed_headers("evt_1", BODY, [new, old], now()))
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp"])
def test_what_is_changed_does_not_verify(changed: str) -> None:
    secret, moment = new_secret(), now()
    headers = dict(signed_headers("evt_1", BODY, [secret], moment))
    body = BODY.replace(b"done", b"gone") if changed == "body" else BODY
    if changed == "webhook-id":
        headers["webhook-id"] = "evt_2"
    if changed == "webhook-timestamp":
        headers["webhook-timestamp"] = str(int(moment.timestamp()) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_an_old_request_cannot_be_used_again() -> None:
    secret = new_secret()
    headers = dict(signed_headers("evt_1", BODY, [secret], now() - timedelta(minutes=6)))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(BODY, headers)


def test_it_signs_as_the_specification_does() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_the_right_size_pass(size: int) -> None:
    check_secret("whsec_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "é" * 40,
        "whsec_" + "A" * 41,
        "whsec_" + "A" * 39 + "\n",
    ],
)
def test_others_are_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        check_secret(secret)
    assert secret.removeprefix("whsec_") == "" or secret not in str(caught.value)


def test_secrets_are_random() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
