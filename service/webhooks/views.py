"""Endpoints and deliveries as JSON."""

import json
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from ..models.representation import timestamp
from .delivery.record import Attempt, Delivery
from .endpoints import Endpoint


def endpoint_view(endpoint: Endpoint, timezone: tzinfo, secret: str | None = None) -> dict[str, Any]:
    """An endpoint as JSON; with its secret only just after the secret was made."""
    view = {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": timestamp(endpoint.created_at, timezone),
        "updated_at": timestamp(endpoint.updated_at, timezone),
    }
    return view if secret is None else {**view, "secret": secret}


def delivery_view(
    delivery: Delivery, timezone: tzinfo, shown: Callable[[datetime], datetime], *, whole: bool = False
) -> dict[str, Any]:
    """A delivery as JSON; ``whole`` with its body. ``shown`` converts a store's moment to the machine's clock."""
    due_at = delivery.due_at
    view: dict[str, Any] = {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "type": delivery.kind,
        "status": delivery.status.value,
        "created_at": timestamp(delivery.created_at, timezone),
        "next_attempt_at": None if due_at is None else timestamp(shown(due_at), timezone),
        "attempt_count": delivery.made,
        "attempts": [_attempt(one, timezone) for one in delivery.attempts],
    }
    return {**view, "payload": json.loads(delivery.body)} if whole else view


def _attempt(attempt: Attempt, timezone: tzinfo) -> dict[str, Any]:
    return {
        "at": timestamp(attempt.at, timezone),
        "status": attempt.status,
        "ms": attempt.milliseconds,
        "error": attempt.error,
    }
