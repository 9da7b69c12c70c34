"""The configured dispatch of queued imports."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..config import Settings, SettingsError
from ..documents import DocumentStore
from ..documents.dispatch import ByDocuments, Dispatch
from ..documents.dispatch.nats.options import NatsOptions
from ..observe.metrics.meter import Meter

if TYPE_CHECKING:
    from ..documents.dispatch.nats.broker import Broker


@asynccontextmanager
async def opened_dispatch(
    settings: Settings, store: DocumentStore, rng: random.Random, meter: Meter
) -> AsyncIterator[Dispatch]:
    """The dispatch, which works during the block; a broker that is away stops nothing.

    Raises:
        SettingsError: the library of the broker is not installed.
    """
    if settings.worker.dispatch == "documents":
        yield ByDocuments(store)
        return
    broker = make_broker(settings, meter.dispatched)
    # Imported here, and in make_broker, since few services need it.
    from ..documents.dispatch.nats.dispatch import NatsDispatch  # noqa: PLC0415

    dispatch = NatsDispatch(store, broker, settings.worker.poll_interval, rng, meter.dispatched)
    task = asyncio.create_task(dispatch.run(), name="dispatch")
    try:
        yield dispatch
    finally:
        task.cancel()
        await asyncio.wait({task})


def make_broker(settings: Settings, count: Callable[[str, int], None] = lambda _event, _number: None) -> "Broker":
    """The configured broker, not connected.

    Raises:
        SettingsError: its library is not installed.
    """
    try:
        from ..documents.dispatch.nats.broker import Broker  # noqa: PLC0415
    except ModuleNotFoundError as error:
        problem = 'is "nats", whose library is not installed: pip install "lading[nats]"'
        raise SettingsError([settings.fault(problem, "worker", "dispatch")]) from error
    nats = settings.nats
    servers = tuple(one.get_secret_value() for one in nats.servers)
    return Broker(NatsOptions(servers, nats.stream, nats.replicas, nats.credentials_file, nats.ca_file), count)
