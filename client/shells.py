"""``Client`` and ``AsyncClient``: they run operations, step by step. All else is in ``operations``."""

import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import httpx

from .operations import Operations
from .performing import AsyncWire, Wire
from .profiles import resolve
from .retries import DEFAULT, Retry
from .steps import Drive, Emit, Operation, Stream
from .wire import Server, Token

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
TIMEOUT: Final = 30.0


def _named(method: F, operation: Callable[..., Any]) -> F:
    """A method with the name, the text and the parameters of an operation."""
    wraps(operation)(method)
    return method


class BaseClient:
    """What both clients share: their arguments.

    Args:
        url: of the service. Without it: ``LADING_URL``, or the profile.
        token: a JWT, or a function that gives one for each request and does not block. Without it: ``LADING_TOKEN``, or
            that of the profile.
        profile: of ``~/.config/lading/client.toml``; then the environment is not asked.
        retry: how often and for how long requests are repeated.
        timeout: seconds that the service may stay silent, where an operation does not need more.
        follow_redirects: whether the bytes of an image may come from a URL that the service redirects to, without the
            token. Other redirects are errors.
        verify: the TLS context that checks the service's certificate; True for the usual authorities.
        transport: of httpx, for tests and special connections.

    Raises:
        ProfileError: no url is known, or the profile is malformed.
        ValueError: the url is malformed.
    """

    def __init__(
        self,
        url: str | None = None,
        token: Token | None = None,
        *,
        profile: str | None = None,
        retry: Retry = DEFAULT,
        timeout: float = TIMEOUT,
        follow_redirects: bool = False,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if url is None or token is None:
            found = resolve(url, token if isinstance(token, str) else None, profile=profile)
            url, token = found.url, found.token if token is None else token
        self._server = Server(url, token, timeout)
        self._operations = Operations(self._server.url, retry, follow_redirects)
        self._connect({"verify": verify, "transport": transport, "follow_redirects": False})

    def _connect(self, options: dict[str, Any]) -> None:
        """Make the client of httpx."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.url!r})"


def _blocking(operation: Callable[Concatenate[Operations, P], Operation[T]]) -> Callable[Concatenate["Client", P], T]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._wire() as wire, Drive(operation(self._operations, *args, **kwargs)) as drive:
            for step in drive:
                drive.answer = wire.do(step)
            return drive.result

    return _named(method, operation)


def _iterating(
    operation: Callable[Concatenate[Operations, P], Stream[T]],
) -> Callable[Concatenate["Client", P], Generator[T, None, None]]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        with self._wire() as wire, Drive(operation(self._operations, *args, **kwargs)) as drive:
            for step in drive:
                if isinstance(step, Emit):
                    yield step.value
                else:
                    drive.answer = wire.do(step)

    return _named(method, operation)


def _awaiting(
    operation: Callable[Concatenate[Operations, P], Operation[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._wire() as wire:
            with Drive(operation(self._operations, *args, **kwargs)) as drive:
                for step in drive:
                    drive.answer = await wire.do(step)
                return drive.result

    return _named(method, operation)


def _async_iterating(
    operation: Callable[Concatenate[Operations, P], Stream[T]],
) -> Callable[Concatenate["AsyncClient", P], AsyncGenerator[T, None]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        async with self._wire() as wire:
            with Drive(operation(self._operations, *args, **kwargs)) as drive:
                for step in drive:
                    if isinstance(step, Emit):
                        yield step.value
                    else:
                        drive.answer = await wire.do(step)

    return _named(method, operation)


class Client(BaseClient):
    """A client that blocks. Threads may share it. A context manager, which closes the connections."""

    _http: httpx.Client

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _wire(self) -> Wire:
        return Wire(self._http, self._server)

    import_url = _blocking(Operations.import_url)
    import_file = _blocking(Operations.import_file)
    import_many = _iterating(Operations.import_many)
    get_import = _blocking(Operations.get_import)
    wait = _blocking(Operations.wait)
    iter_imports = _iterating(Operations.iter_imports)
    iter_albums = _iterating(Operations.iter_albums)
    events = _iterating(Operations.events)
    retry_import = _blocking(Operations.retry_import)
    cancel_import = _blocking(Operations.cancel_import)
    delete_import = _blocking(Operations.delete_import)
    preflight = _blocking(Operations.preflight)
    trace = _blocking(Operations.trace)
    cancel_upload = _blocking(Operations.cancel_upload)
    get_batch = _blocking(Operations.get_batch)
    iter_batch_failures = _iterating(Operations.iter_batch_failures)
    retry_batch = _blocking(Operations.retry_batch)
    get_image = _blocking(Operations.get_image)
    iter_images = _iterating(Operations.iter_images)
    read_image = _blocking(Operations.read_image)
    iter_content = _iterating(Operations.iter_content)
    download = _blocking(Operations.download)
    thumbnail = _blocking(Operations.thumbnail)
    delete_image = _blocking(Operations.delete_image)
    create_webhook = _blocking(Operations.create_webhook)
    list_webhooks = _blocking(Operations.list_webhooks)
    get_webhook = _blocking(Operations.get_webhook)
    update_webhook = _blocking(Operations.update_webhook)
    delete_webhook = _blocking(Operations.delete_webhook)
    rotate_webhook = _blocking(Operations.rotate_webhook)
    test_webhook = _blocking(Operations.test_webhook)
    webhook_secret = _blocking(Operations.webhook_secret)
    rotate_webhook_secret = _blocking(Operations.rotate_webhook_secret)
    iter_deliveries = _iterating(Operations.iter_deliveries)
    get_delivery = _blocking(Operations.get_delivery)
    replay_delivery = _blocking(Operations.replay_delivery)


class AsyncClient(BaseClient):
    """A client for asyncio: a method is awaited, or iterated with ``async for``. A context manager for ``async with``.

    Close an iteration that is left early with ``contextlib.aclosing``, or it keeps its connection for a while.
    """

    _http: httpx.AsyncClient

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _wire(self) -> AsyncWire:
        return AsyncWire(self._http, self._server)

    import_url = _awaiting(Operations.import_url)
    import_file = _awaiting(Operations.import_file)
    import_many = _async_iterating(Operations.import_many)
    get_import = _awaiting(Operations.get_import)
    wait = _awaiting(Operations.wait)
    iter_imports = _async_iterating(Operations.iter_imports)
    iter_albums = _async_iterating(Operations.iter_albums)
    events = _async_iterating(Operations.events)
    retry_import = _awaiting(Operations.retry_import)
    cancel_import = _awaiting(Operations.cancel_import)
    delete_import = _awaiting(Operations.delete_import)
    preflight = _awaiting(Operations.preflight)
    trace = _awaiting(Operations.trace)
    cancel_upload = _awaiting(Operations.cancel_upload)
    get_batch = _awaiting(Operations.get_batch)
    iter_batch_failures = _async_iterating(Operations.iter_batch_failures)
    retry_batch = _awaiting(Operations.retry_batch)
    get_image = _awaiting(Operations.get_image)
    iter_images = _async_iterating(Operations.iter_images)
    read_image = _awaiting(Operations.read_image)
    iter_content = _async_iterating(Operations.iter_content)
    download = _awaiting(Operations.download)
    thumbnail = _awaiting(Operations.thumbnail)
    delete_image = _awaiting(Operations.delete_image)
    create_webhook = _awaiting(Operations.create_webhook)
    list_webhooks = _awaiting(Operations.list_webhooks)
    get_webhook = _awaiting(Operations.get_webhook)
    update_webhook = _awaiting(Operations.update_webhook)
    delete_webhook = _awaiting(Operations.delete_webhook)
    rotate_webhook = _awaiting(Operations.rotate_webhook)
    test_webhook = _awaiting(Operations.test_webhook)
    webhook_secret = _awaiting(Operations.webhook_secret)
    rotate_webhook_secret = _awaiting(Operations.rotate_webhook_secret)
    iter_deliveries = _async_iterating(Operations.iter_deliveries)
    get_delivery = _awaiting(Operations.get_delivery)
    replay_delivery = _awaiting(Operations.replay_delivery)
