"""The connection to NATS: ids of queued imports go to the stream, and come from the consumers of its shards.

Nothing here is needed for correctness. What the broker refuses, loses or delivers twice is left to ``dispatch``, so
everything is sent without waiting for an answer, and what does not fit into the bounded queue is dropped.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from .. import BrokerUnavailable
from .options import NatsOptions
from .stream import consumer_name, prepare, shard_of, subject

PULL_SECONDS: Final = 5.0
"""How long the broker holds a question for messages open."""
MOST_SENT: Final = 50_000
"""Messages that wait to be sent, at most."""
RETRY_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 10.0
PING_SECONDS: Final = 5
"""Between two questions whether the broker lives; after two without an answer, the connection is given up."""

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
IN_PROGRESS: Final = b"+WPI"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A queued import, as the broker knows it.

    Attributes:
        reply: the subject for what becomes of the message.
        is_again: whether it was handed out before.
        connection: by which it came.
    """

    import_id: str
    issuer_id: str
    reply: str
    is_again: bool
    connection: int


class Broker:
    """The connection, kept up by ``run``.

    Args:
        count: told of each event of a message, and how many there were.

    Attributes:
        came_up: set while the connection works.
    """

    def __init__(self, options: NatsOptions, count: Callable[[str, int], None] = lambda _event, _number: None) -> None:
        self._options = options
        self._count = count
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MOST_SENT)
        self._stream: JetStreamContext | None = None
        self._pulls: dict[int, JetStreamContext.PullSubscription] = {}
        self._fetching: set[asyncio.Task[list[Msg]]] = set()
        self._ended = asyncio.Event()
        self._is_failing = False
        self._connection = 0
        self.came_up = asyncio.Event()

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        while True:
            try:
                await self._serve()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                if not self._is_failing:
                    log.warning("the broker is away; the database dispatches", reason=_reason(error))
                self._is_failing = True
            await asyncio.sleep(RETRY_SECONDS)

    async def probe(self) -> None:
        """Connect once, and make sure that the stream and its consumers exist.

        Raises:
            BrokerUnavailable: with the reason.
        """
        try:
            async with self._connected():
                pass
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise BrokerUnavailable(_reason(error)) from error

    async def drain(self, seconds: float = 1.0) -> None:
        """Wait until everything is sent, or so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if self.came_up.is_set() else 0):
                await self._outgoing.join()

    def publish(self, import_id: str, issuer_id: str) -> None:
        """Tell the broker of a queued import, unless it is away."""
        if self.came_up.is_set():
            self._send(subject(self._options.stream, shard_of(issuer_id)), json.dumps([import_id, issuer_id]).encode())
            self._count("published", 1)

    def acknowledge(self, message: Message) -> None:
        """The message is over."""
        self._answer(message, ACK)

    def put_off(self, message: Message, seconds: float = 0.0) -> None:
        """Hand out the message again after so many seconds."""
        delay = json.dumps({"delay": int(seconds * 1e9)}).encode()
        self._answer(message, NAK + b" " + delay if seconds > 0 else NAK)

    def keep(self, message: Message) -> None:
        """Do not hand out the message again for ``stream.ACK_SECONDS`` from now."""
        self._answer(message, IN_PROGRESS)

    async def pull(self, shard: int, number: int) -> Sequence[Message]:
        """Up to ``number`` messages of a shard; none if there are none for ``PULL_SECONDS``.

        Raises:
            BrokerUnavailable: the connection is lost, or the stream is.
        """
        stream = self._stream
        if stream is None:
            raise BrokerUnavailable("not connected")
        try:
            if shard not in self._pulls:
                self._pulls[shard] = await stream.pull_subscribe_bind(consumer_name(shard), self._options.stream)
            found = await self._fetched(self._pulls[shard], number)
        except TimeoutError:
            return ()
        except (nats.errors.Error, OSError) as error:
            self._ended.set()  # the stream and its consumers are made again after the next connect
            raise BrokerUnavailable(_reason(error)) from error
        messages = [message for one in found if (message := self._read(one)) is not None]
        self._count("pulled", len(messages))
        self._count("redelivered", sum(one.is_again for one in messages))
        return messages

    async def _fetched(self, pull: JetStreamContext.PullSubscription, number: int) -> Sequence[Msg]:
        """Fetch, no longer than the connection lasts: the client itself would wait on."""
        fetching = asyncio.create_task(pull.fetch(number, PULL_SECONDS), name="broker pull")
        fetching.add_done_callback(_retrieved)
        self._fetching.add(fetching)
        try:
            await asyncio.wait({fetching})
            if fetching.cancelled():
                raise nats.errors.ConnectionClosedError
            return fetching.result()
        finally:
            fetching.cancel()
            self._fetching.discard(fetching)

    def _read(self, received: Msg) -> Message | None:
        try:
            import_id, issuer_id = map(str, json.loads(received.data))
        except ValueError:
            self._send(received.reply, ACK)
            return None
        is_again = (received.metadata.num_delivered or 1) > 1
        return Message(import_id, issuer_id, received.reply, is_again, self._connection)

    def _answer(self, message: Message, payload: bytes) -> None:
        """Tell what becomes of a message. A broker that was emptied meanwhile gives its number to another message: what
        came by an earlier connection is never answered, and comes again.
        """
        if message.connection == self._connection:
            self._send(message.reply, payload)

    def _send(self, subject: str, payload: bytes) -> None:
        try:
            self._outgoing.put_nowait((subject, payload))
        except asyncio.QueueFull:
            self._count("dropped", 1)

    async def _serve(self) -> None:
        """Send and pull until the connection is lost."""
        async with self._connected() as client:
            self._connection += 1
            while not self._outgoing.empty():  # see _answer
                self._outgoing.get_nowait()
                self._outgoing.task_done()
            sender = asyncio.create_task(self._send_forever(client), name="broker sender")
            ended = asyncio.create_task(self._ended.wait(), name="broker ended")
            self._stream, self._pulls = client.jetstream(), {}
            self.came_up.set()
            if self._is_failing:
                log.info("the broker is back")
            self._is_failing = False
            try:
                await asyncio.wait({sender, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.came_up.clear()
                self._stream = None
                for fetching in self._fetching:
                    fetching.cancel()
                sender.cancel()
                ended.cancel()
                await asyncio.wait({sender, ended})
        raise nats.errors.ConnectionClosedError

    async def _send_forever(self, client: Client) -> None:
        while True:
            subject, payload = await self._outgoing.get()
            try:
                await client.publish(subject, payload)
            finally:
                self._outgoing.task_done()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        self._ended = ended = asyncio.Event()
        options, client = self._options, Client()
        more: dict[str, Any] = {}
        if options.credentials is not None:
            more["user_credentials"] = str(options.credentials)
        if options.ca_file is not None:
            more["tls"] = await asyncio.to_thread(ssl.create_default_context, cafile=str(options.ca_file))

        reported: BaseException = TimeoutError()

        async def end() -> None:
            ended.set()

        async def note(error: Exception) -> None:
            nonlocal reported
            reported = error

        try:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.connect(
                        list(options.servers),
                        name="lading",
                        allow_reconnect=False,
                        ping_interval=PING_SECONDS,
                        error_cb=note,
                        closed_cb=end,
                        **more,
                    )
                    await prepare(client.jetstream(), options)
            except TimeoutError as error:
                # The client tries again until then, and reports each error.
                problem = f"no server was ready within {CONNECT_SECONDS:g} s ({_reason(reported)})"
                raise ConnectionError(problem) from error
            yield client
        finally:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await client.close()


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _retrieved(fetching: "asyncio.Task[list[Msg]]") -> None:
    """What a fetch raises that nobody waits for any more is no error of ours."""
    if not fetching.cancelled():
        fetching.exception()
