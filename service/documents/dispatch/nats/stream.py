"""What the broker keeps: a work-queue stream, with a subject and a durable pull consumer for each shard of issuers."""

import asyncio
import zlib
from typing import Final

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig

from .options import NatsOptions

SHARDS: Final = 16
"""Subjects among which the issuers are divided. All processes of a fleet have the same number."""
ACK_SECONDS: Final = 30.0
"""The broker hands out a message again if nobody has told of it for so long."""
MOST_STORED: Final = 10_000_000
"""Messages in the stream, at most; the oldest go first."""
MOST_UNACKNOWLEDGED: Final = 100_000
"""Messages of a shard that workers hold or have put off, at most."""
MOST_PULLS: Final = 16_384
"""Workers that wait for messages of a shard, at most."""


def shard_of(issuer_id: str) -> int:
    """The shard of an issuer, the same in every process."""
    return zlib.crc32(issuer_id.encode()) % SHARDS


def subject(stream: str, shard: int) -> str:
    """The subject of a shard."""
    return f"{stream}.imports.{shard}"


def consumer_name(shard: int) -> str:
    """The consumer of a shard."""
    return f"shard-{shard}"


async def prepare(context: JetStreamContext, options: NatsOptions) -> None:
    """Make what is missing of the stream and its consumers. What exists stays as operators have made it.

    Raises:
        nats.errors.Error, TimeoutError: the broker refuses, or does not answer.
    """
    name = options.stream
    try:
        existing = {one.name for one in await context.consumers_info(name)}
    except nats.js.errors.NotFoundError:
        existing = set()
        await context.add_stream(
            StreamConfig(
                name=name,
                subjects=[f"{name}.imports.*"],
                retention=RetentionPolicy.WORK_QUEUE,
                storage=StorageType.FILE,
                num_replicas=options.replicas,
                max_msgs=MOST_STORED,
            )
        )
    missing = [shard for shard in range(SHARDS) if consumer_name(shard) not in existing]
    await asyncio.gather(*(context.add_consumer(name, _configured(name, shard)) for shard in missing))


def _configured(stream: str, shard: int) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=consumer_name(shard),
        filter_subject=subject(stream, shard),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_SECONDS,
        max_deliver=-1,
        max_ack_pending=MOST_UNACKNOWLEDGED,
        max_waiting=MOST_PULLS,
    )
