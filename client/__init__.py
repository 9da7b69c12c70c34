"""The Python client of Lading's API: ``pip install 'lading[client]'``.

    from lading.client import Client

    with Client("https://images.example.org", token) as lading:
        image = lading.import_url("https://www.example.org/photo.jpg", album_id="holidays", wait=60)

It may use httpx and the standard library, and imports nothing of the service, the backends or the plugins.
Begin with ``operations``: they do no I/O; ``shells`` has the two clients, which run them.
"""

try:
    import httpx as _  # noqa: F401
except ImportError as error:
    raise ImportError("lading.client needs httpx: pip install 'lading[client]'") from error

from . import webhooks
from .documents import Album, Batch, BatchRetry, Delivery, DeliveryAttempt, Preflight, Trace, TraceAttempt, Webhook
from .errors import (
    Conflict,
    LadingError,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerNotReachable,
    TimedOut,
    Unavailable,
    ValidationFailed,
)
from .models import Image, ImageFacts, Import, ImportFailed, Problem
from .profiles import Profile, ProfileError, config_path, load_profiles, resolve, save_profile
from .results import Event, ImportParams, Outcome, Thumbnail, Upload
from .retries import Retry
from .shells import AsyncClient, Client
from .webhooks import SignatureInvalid, WebhookEvent

__all__ = [
    "Album",
    "AsyncClient",
    "Batch",
    "BatchRetry",
    "Client",
    "Conflict",
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "Image",
    "ImageFacts",
    "Import",
    "ImportFailed",
    "ImportParams",
    "LadingError",
    "NotAuthenticated",
    "NotFound",
    "Outcome",
    "PermissionDenied",
    "Preflight",
    "Problem",
    "Profile",
    "ProfileError",
    "RateLimited",
    "Retry",
    "ServerNotReachable",
    "SignatureInvalid",
    "Thumbnail",
    "TimedOut",
    "Trace",
    "TraceAttempt",
    "Unavailable",
    "Upload",
    "ValidationFailed",
    "Webhook",
    "WebhookEvent",
    "config_path",
    "load_profiles",
    "resolve",
    "save_profile",
    "webhooks",
]
