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
    """Check that a text is a secret: ``whsec_`` and 24 to 64 bytes in base64.

    Raises:
        ValueError: it is not; the message does not contain it.
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
        event_id: the same for every request of the event.
        body: the signed bytes, exactly as they are sent; UTF-8.
        signers: the secrets, the current one first; during a rotation also the previous one.
        now: the time of this attempt, timezone-aware: receivers refuse requests that are minutes old.
    """
    text = body.decode()
    signatures = [Webhook(secret).sign(event_id, now, text) for secret in signers]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
