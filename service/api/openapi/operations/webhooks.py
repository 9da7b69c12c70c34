"""Operations on webhooks."""

from collections.abc import Sequence
from typing import Final

from ....webhooks.delivery.record import DeliveryStatus
from ..declaration import JSON, Operation, Parameter, json_of, reference
from .common import BODY_ERRORS, CURSOR, FORM, LIMIT, QUERY_ERRORS, SOURCE_ERRORS

_MANAGED: Final = ("forbidden", "not_found")
_ENDPOINT: Final = "/api/v1/webhooks/{endpoint_id}"
_WISHES: Final = {JSON: reference("EndpointParameters"), FORM: reference("EndpointForm")}
_CHANGES: Final = {JSON: reference("EndpointChanges"), FORM: reference("EndpointChangesForm")}
_WISH_ERRORS: Final = (
    *_MANAGED,
    *BODY_ERRORS,
    *SOURCE_ERRORS,
    "file_part_not_supported",
    "webhooks_full",
    "webhook_secret_unreadable",
)
_STATUS: Final = Parameter("status", {"enum": [status.value for status in DeliveryStatus]}, "Deliveries in this state.")
_PAGE: Final = (_STATUS, Parameter("limit", LIMIT, "Deliveries of a page."), CURSOR)
_PAGE_ERRORS: Final = (*_MANAGED, *QUERY_ERRORS, "parameter_invalid")
WEBHOOKS: Final[Sequence[Operation]] = (
    Operation(
        "get",
        "/api/v1/webhooks",
        "listEndpoints",
        "Webhooks",
        "List the endpoints of the issuer.",
        answers={200: json_of("Endpoints")},
        errors=_PAGE_ERRORS,
    ),
    Operation(
        "post",
        "/api/v1/webhooks",
        "createEndpoint",
        "Webhooks",
        "Create an endpoint; only this answer has its secret.",
        bodies=_WISHES,
        is_body_required=True,
        answers={201: json_of("Endpoint")},
        errors=_WISH_ERRORS,
        sends={201: ("Location",)},
    ),
    Operation(
        "get",
        _ENDPOINT,
        "getEndpoint",
        "Webhooks",
        "Show an endpoint.",
        answers={200: json_of("Endpoint")},
        errors=_MANAGED,
    ),
    Operation(
        "patch",
        _ENDPOINT,
        "changeEndpoint",
        "Webhooks",
        "Change an endpoint.",
        bodies=_CHANGES,
        answers={200: json_of("Endpoint")},
        errors=(*_WISH_ERRORS, "write_conflict"),
    ),
    Operation(
        "delete", _ENDPOINT, "deleteEndpoint", "Webhooks", "Delete an endpoint.", answers={204: {}}, errors=_MANAGED
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/rotate",
        "rotateEndpoint",
        "Webhooks",
        "Rotate the secret of an endpoint; both secrets sign for a day.",
        answers={200: json_of("Endpoint")},
        errors=(*_MANAGED, "write_conflict"),
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/test",
        "testEndpoint",
        "Webhooks",
        "Send an endpoint a `ping`.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled"),
        sends={202: ("Location",)},
    ),
    Operation(
        "get",
        f"{_ENDPOINT}/deliveries",
        "listDeliveries",
        "Webhooks",
        "List the deliveries to an endpoint, the latest first.",
        parameters=_PAGE,
        answers={200: json_of("Deliveries")},
        errors=_PAGE_ERRORS,
        sends={200: ("Link",)},
    ),
    Operation(
        "get",
        f"{_ENDPOINT}/deliveries/{{delivery_id}}",
        "getDelivery",
        "Webhooks",
        "Show a delivery.",
        answers={200: json_of("Delivery")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        f"{_ENDPOINT}/deliveries/{{delivery_id}}/replay",
        "replayDelivery",
        "Webhooks",
        "Send a delivery again.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled", "write_conflict"),
    ),
    Operation(
        "get",
        "/api/v1/webhooks/secret",
        "getSecret",
        "Webhooks",
        "Show the secret that signs the webhooks of single imports.",
        answers={200: json_of("Secret")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        "/api/v1/webhooks/secret/rotate",
        "rotateSecret",
        "Webhooks",
        "Rotate the secret for single imports; both secrets sign for a day.",
        answers={200: json_of("Secret")},
        errors=(*_MANAGED, "write_conflict"),
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/deliveries",
        "listImportDeliveries",
        "Webhooks",
        "List the deliveries of an import's own webhook.",
        parameters=_PAGE,
        answers={200: json_of("Deliveries")},
        errors=_PAGE_ERRORS,
        sends={200: ("Link",)},
    ),
    Operation(
        "get",
        "/api/v1/imports/{import_id}/deliveries/{delivery_id}",
        "getImportDelivery",
        "Webhooks",
        "Show a delivery.",
        answers={200: json_of("Delivery")},
        errors=_MANAGED,
    ),
    Operation(
        "post",
        "/api/v1/imports/{import_id}/deliveries/{delivery_id}/replay",
        "replayImportDelivery",
        "Webhooks",
        "Send a delivery again.",
        answers={202: json_of("Delivery")},
        errors=(*_MANAGED, "webhook_disabled", "write_conflict"),
    ),
)
