"""Webhooks that arrive: verify that Lading sent them (Standard Webhooks, version 1)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from .errors import LadingError
from .models import Import

TOLERANCE: Final = 300.0
PREFIX: Final = "whsec_"


class SignatureInvalid(LadingError):
    """Lading did not sign this body with the secret, or a long time ago: answer 401, and believe nothing of it."""

    def __init__(self, detail: str) -> None:
        super().__init__("signature_invalid", detail=detail)
        self.args = (detail,)


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event that Lading has sent.

    Attributes:
        id: the same whenever the event comes again.
        type: such as ``import.done``; ``ping`` is a test.
        timestamp: when it happened.
        data: the import as ``GET`` shows it; of a ``ping`` the ``webhook_id``.
    """

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any] = field(repr=False)

    @property
    def document(self) -> Import | None:
        """The import; None for a ``ping``."""
        return None if self.type == "ping" else Import.of(self.data)


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    clock: Callable[[], float] = time.time,
) -> WebhookEvent:
    """The event in a request, if Lading has signed it. Compares in constant time, and blocks nothing.

    Args:
        body: of the request, byte for byte as it came.
        headers: of the request, names in any case.
        secret: of the endpoint, ``whsec_...``; while it is rotated, the old and the new one.
        tolerance: seconds by which the time of the request may differ from now, so that nobody can send it again later.
        clock: seconds since the Unix epoch.

    Raises:
        SignatureInvalid: a header is missing or malformed, no signature fits, or the time is off.
        ValueError: a secret is malformed; the message does not hold it.
    """
    secrets = [secret] if isinstance(secret, str) else [*secret]
    keys = [_key(one) for one in secrets]
    found = {name.lower(): value for name, value in headers.items() if name.lower().startswith("webhook-")}
    event_id, moment, signatures = (found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not event_id or not moment.isascii() or not moment.isdigit() or not signatures:
        raise SignatureInvalid("A header field of the signature is missing or malformed.")
    sent = body.encode() if isinstance(body, str) else bytes(body)
    signed = b".".join((event_id.encode(), moment.encode(), sent))
    wanted = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    given = [one.partition(",")[2].encode() for one in signatures.split(" ") if one.startswith("v1,")]
    # All are compared, so that the time tells nothing.
    if not sum([hmac.compare_digest(one, other) for one in wanted for other in given[:16]]):
        raise SignatureInvalid("No signature of the request is of this secret.")
    if abs(clock() - int(moment[:15])) > tolerance:
        raise SignatureInvalid("The request is too old, or the clocks differ.")
    return _event(event_id, sent)


def _event(event_id: str, body: bytes) -> WebhookEvent:
    try:
        event = json.loads(body)
        return WebhookEvent(event_id, event["type"], datetime.fromisoformat(event["timestamp"]), event["data"])
    except (ValueError, TypeError, KeyError):
        raise SignatureInvalid("The body is signed, but no event.") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise ValueError(f"a secret is {PREFIX} and base64")
    return key
