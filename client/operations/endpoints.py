"""Webhooks: endpoints, their secrets, and the deliveries of events."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ..core import Core, items_of, json_body, segment, value_of
from ..documents import Delivery, Webhook
from ..errors import LadingError
from ..steps import Operation, Request, Stream
from .imports import JSON


class WebhookOperations(Core):
    """The operations on webhooks. ``Client`` returns the results, ``AsyncClient`` awaits them.

    They need a token with ``webhook_manage``; without it they raise ``PermissionDenied``. A webhook or delivery that
    does not exist is ``NotFound``.
    """

    __slots__ = ()

    def create_webhook(
        self, url: str, *, events: Sequence[str] = (), description: str = "", enabled: bool = True
    ) -> Operation[Webhook]:
        """Create an endpoint; the result has its ``secret``, this once.

        Args:
            url: of the receiver.
            events: the types of events that it gets; none for all.
            description: for people.
            enabled: whether it gets events.

        Raises:
            ValidationFailed: a parameter is malformed, or the service may not send there.
            Conflict: the issuer has as many endpoints as it may have.
            ServerNotReachable: with ``was_sent``, it may have been created: look at the list.
        """
        sent = {"url": url, "description": description, "enabled": enabled, **({"events": [*events]} if events else {})}
        return (yield from self.document(_sending("POST", "/api/v1/webhooks", sent), Webhook))

    def list_webhooks(self) -> Operation[Sequence[Webhook]]:
        """The endpoints of the issuer."""
        reply = yield from self.exchange(Request("GET", "/api/v1/webhooks"))
        return items_of(reply, "webhooks", Webhook.of)

    def get_webhook(self, webhook_id: str) -> Operation[Webhook]:
        """One endpoint."""
        return (yield from self.document(Request("GET", _path(webhook_id)), Webhook))

    def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Operation[Webhook]:
        """Change what is given of an endpoint.

        Raises:
            ValidationFailed: see ``create_webhook``.
        """
        wanted = {
            "url": url,
            "events": None if events is None else [*events],
            "description": description,
            "enabled": enabled,
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        return (yield from self.document(_sending("PATCH", _path(webhook_id), sent, is_repeatable=True), Webhook))

    def delete_webhook(self, webhook_id: str) -> Operation[None]:
        """Delete an endpoint."""
        yield from self.exchange(Request("DELETE", _path(webhook_id), settled=frozenset({404})))

    def rotate_webhook(self, webhook_id: str) -> Operation[Webhook]:
        """Give an endpoint another secret; the result has it, this once. For a day the old one signs too."""
        return (yield from self.document(_sending("POST", f"{_path(webhook_id)}/rotate"), Webhook))

    def test_webhook(self, webhook_id: str) -> Operation[Delivery]:
        """Send a ``ping`` to an endpoint; the result is its delivery, which is still pending.

        Raises:
            Conflict: the endpoint is disabled.
        """
        request = _sending("POST", f"{_path(webhook_id)}/test", is_repeatable=True)
        return (yield from self.document(request, Delivery))

    def webhook_secret(self) -> Operation[str]:
        """The secret of the issuer, which signs the webhooks that single imports name."""
        reply = yield from self.exchange(Request("GET", "/api/v1/webhooks/secret"))
        return _secret(value_of(reply))

    def rotate_webhook_secret(self) -> Operation[str]:
        """Give the issuer another secret. For a day the old one signs too."""
        reply = yield from self.exchange(_sending("POST", "/api/v1/webhooks/secret/rotate"))
        return _secret(value_of(reply))

    def iter_deliveries(
        self,
        *,
        webhook_id: str | None = None,
        import_id: str | None = None,
        status: str | None = None,
        page_size: int = 200,
    ) -> Stream[Delivery]:
        """The deliveries to an endpoint, or to the webhook that an import names; the latest first.

        Args:
            webhook_id: the endpoint, or
            import_id: the import.
            status: ``pending``, ``delivered`` or ``failed``.
            page_size: deliveries of a page, 200 at most.
        """
        query = {"status": status, "limit": str(page_size)}
        yield from self.pages(_deliveries(webhook_id, import_id), query, "deliveries", Delivery.of)

    def get_delivery(
        self, delivery_id: str, *, webhook_id: str | None = None, import_id: str | None = None
    ) -> Operation[Delivery]:
        """One delivery, with the body of its request. The arguments are those of ``iter_deliveries``."""
        path = f"{_deliveries(webhook_id, import_id)}/{segment(delivery_id)}"
        return (yield from self.document(Request("GET", path), Delivery))

    def replay_delivery(
        self, delivery_id: str, *, webhook_id: str | None = None, import_id: str | None = None
    ) -> Operation[Delivery]:
        """Send an event again; the result is the new delivery. The arguments are those of ``iter_deliveries``.

        Raises:
            Conflict: the endpoint is disabled.
        """
        path = f"{_deliveries(webhook_id, import_id)}/{segment(delivery_id)}/replay"
        return (yield from self.document(_sending("POST", path), Delivery))


def _path(webhook_id: str) -> str:
    return f"/api/v1/webhooks/{segment(webhook_id)}"


def _deliveries(webhook_id: str | None, import_id: str | None) -> str:
    if webhook_id is not None and import_id is None:
        return f"{_path(webhook_id)}/deliveries"
    if import_id is not None and webhook_id is None:
        return f"/api/v1/imports/{segment(import_id)}/deliveries"
    raise ValueError("give either webhook_id or import_id")


def _sending(method: str, path: str, sent: Mapping[str, Any] | None = None, *, is_repeatable: bool = False) -> Request:
    """A request that changes something. Its key makes it known again where the service remembers keys."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    if sent is None:
        return Request(method, path, headers=headers, is_repeatable=is_repeatable)
    return Request(method, path, headers={**headers, **JSON}, body=json_body(sent), is_repeatable=is_repeatable)


def _secret(answer: Mapping[str, Any]) -> str:
    secret = answer.get("secret")
    if not isinstance(secret, str):
        raise LadingError("answer_invalid", detail="The answer has no secret.")
    return secret
