"""Signatures by Standard Webhooks (version 1: HMAC-SHA256 over id, timestamp and body), and their secrets."""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_FEWEST_BYTES, _MOST_BYTES = 24, 64


def new_secret() -> str:
    """A random secret: ``whsec_`` and 32 bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Make sure that a text is a secret: ``whsec_`` and 24 to 64 bytes in base64.

    Raises:
        ValueError: it is not; the message does not hold it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"is not {PREFIX} and {_FEWEST_BYTES} to {_MOST_BYTES} bytes in base64")


def signed_headers(event_id: str, body: bytes, signers: Sequence[str], now: datetime) -> Mapping[str, str]:
    """The three headers of a request.

    Args:
        event_id: what the event is known by, whenever and however often it is sent.
        body: what is signed, exactly as it is sent; UTF-8.
        signers: the secrets to sign with, the current one first; while a secret is changed, the one before it too.
        now: the time of this attempt, aware: receivers refuse what is minutes old.
    """
    text = body.decode()
    signatures = [Webhook(secret).sign(event_id, now, text) for secret in signers]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
