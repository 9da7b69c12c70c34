"""The resources of handlers: a common part, and a value for each resource of the API.

The composition root makes them; the route table names the value of each path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import IPv4Network, IPv6Network

from ..images.operations import Images
from ..images.thumbnails.thumbnails import Thumbnails
from ..imports.accept import Imports
from ..imports.actions import Actions
from ..imports.batches.batches import Batches
from ..imports.events.stream import Events
from ..imports.lists import Listing
from ..imports.prefer_wait import Waiting
from ..imports.preflight import Preflight
from ..imports.uploads.receiving import Receiving
from ..imports.uploads.resumable import Uploads
from ..limits.places import Places
from ..limits.rates import Rates
from ..observe.readiness import Readiness
from ..webhooks.history import Webhooks
from .auth import Authenticator
from .http.cors import Cors
from .http.in_flight import InFlight
from .openapi.document import Description
from .params import ParamLimits


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits on the size and the time of requests, and on the reading of answers.

    Attributes:
        params: depth and number of parameters.
        head_max_bytes: of the request line and the header fields.
        body_max_bytes: of a body that is gathered in memory.
        import_body_max_bytes: of such a body that describes an import, and comes with a token.
        body_timeout: seconds for such a body.
        upload_max_bytes: of a body that is an image.
        upload_stall_timeout: seconds without progress after which such a body fails.
        stall_timeout: seconds without progress after which the reader of a long answer is dropped.
    """

    params: ParamLimits
    head_max_bytes: int
    body_max_bytes: int
    import_body_max_bytes: int
    body_timeout: float
    upload_max_bytes: int
    upload_stall_timeout: float
    stall_timeout: float


@dataclass(frozen=True, slots=True)
class Common:
    """The resources of every handler.

    Attributes:
        timezone: of the times in answers.
        cors: the other origins that may read answers; None for none.
    """

    authenticator: Authenticator
    rates: Rates
    limits: RequestLimits
    timezone: tzinfo
    trusted_proxies: Sequence[IPv4Network | IPv6Network]
    in_flight: InFlight
    cors: Cors | None = None


@dataclass(frozen=True, slots=True)
class ImportsApi:
    """For ``/api/v1/imports`` and the paths below it."""

    imports: Imports
    listing: Listing
    actions: Actions
    preflight: Preflight
    waiting: Waiting
    receiving: Receiving


@dataclass(frozen=True, slots=True)
class BatchesApi:
    """For ``/api/v1/imports/batch`` and ``/api/v1/batches``.

    Attributes:
        max_bytes: of the body of a batch.
    """

    batches: Batches
    receiving: Receiving
    max_bytes: int


@dataclass(frozen=True, slots=True)
class UploadsApi:
    """For ``/api/v1/uploads``."""

    uploads: Uploads
    receiving: Receiving
    actions: Actions


@dataclass(frozen=True, slots=True)
class ImagesApi:
    """For ``/api/v1/images``.

    Attributes:
        max_age: seconds for which a client may cache an image.
        thumbnails: None if they are off, or if no detector makes them.
    """

    images: Images
    max_age: int
    thumbnails: Thumbnails | None = None


@dataclass(frozen=True, slots=True)
class EventsApi:
    """For the streams of events.

    Attributes:
        streams: bounds the number of open streams.
        stream_seconds: the longest duration of a stream.
        heartbeat: seconds without an event after which a comment is sent.
    """

    imports: Imports
    events: Events
    streams: Places
    stream_seconds: float
    heartbeat: float


@dataclass(frozen=True, slots=True)
class PageApi:
    """For the page.

    Attributes:
        enabled: whether the page is served.
    """

    enabled: bool


@dataclass(frozen=True, slots=True)
class Resources:
    """All resources of the API. The route table splits them; no handler sees them all.

    Attributes:
        webhooks: None if they are off.
    """

    common: Common
    imports: ImportsApi
    batches: BatchesApi
    uploads: UploadsApi
    images: ImagesApi
    events: EventsApi
    readiness: Readiness
    description: Description
    page: PageApi
    webhooks: Webhooks | None = None
