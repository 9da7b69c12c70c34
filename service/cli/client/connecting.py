"""The service that a command talks to, and how the command ends when that does not answer."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from ....client import AsyncClient, Client, LadingError

Command = TypeVar("Command", bound=Callable[..., Any])

SOME_FAILED: Final = 1
NOT_REACHABLE: Final = 3
"""The exit status where the service does not answer, or does not take the token."""
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its options; None stands for the environment or the profile.

    Attributes:
        url, token, profile: see ``lading.client.profiles.resolve``.
    """

    url: str | None
    token: str | None = field(repr=False)
    profile: str | None

    def found(self) -> tuple[str, str]:
        """The URL and the token.

        Raises:
            ClickException: there is none; the exit status is 2.
        """
        from ....client.profiles import ProfileError, resolve  # noqa: PLC0415  # httpx takes a while, and is an extra

        try:
            known = resolve(self.url, self.token, profile=self.profile)
        except ProfileError as error:
            raise click.UsageError(str(error)) from None
        if not known.token:
            raise click.UsageError("No token is known: set LADING_TOKEN, give --token-file, or run 'lading login'.")
        return known.url, known.token


def service_options(command: Command) -> Command:
    """The options that name a service; the command gets them as ``service``."""

    def chosen(context: click.Context, _parameter: click.Parameter, token_file: Any) -> None:
        url, profile = context.params.pop("url"), context.params.pop("profile")
        token = None if token_file is None else token_file.read().decode("utf-8", "replace").strip()
        context.params["service"] = Service(url, token, profile)

    for option in (
        click.option("--url", metavar="URL", is_eager=True, help="The service. Default: LADING_URL, or the profile."),
        click.option("--profile", metavar="NAME", is_eager=True, help="A profile that 'lading login' has saved."),
        click.option(
            "--token-file",
            type=click.File("rb"),
            callback=chosen,
            expose_value=False,
            help="File with the token, '-' for standard input. Default: LADING_TOKEN, or the profile.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def told() -> Iterator[None]:
    """Turn what the client raises into a message and an exit status."""
    from ....client import LadingError  # noqa: PLC0415  # see Service.found

    try:
        yield
    except LadingError as error:
        raise Failure(_sentence(error), NOT_REACHABLE if is_of_the_service(error) else SOME_FAILED) from None


def is_of_the_service(error: "LadingError") -> bool:
    """Whether the service is not there, is none of Lading, or refuses the token: no other request would succeed."""
    from ....client import NotAuthenticated, ServerNotReachable, Unavailable  # noqa: PLC0415  # see Service.found

    return isinstance(error, NotAuthenticated | ServerNotReachable | Unavailable) or error.code.startswith("http_")


class Failure(click.ClickException):
    """A message and an exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self._status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has an attribute of the class
        """The exit status."""
        return self._status


def client_of(service: Service) -> "Client":
    """A client that blocks; close it."""
    check_extra()
    from ....client import Client  # noqa: PLC0415  # see Service.found

    url, token = service.found()
    try:
        return Client(url, token)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def run_with_client(service: Service, use: "Callable[[AsyncClient], Coroutine[Any, Any, None]]") -> None:
    """Run what uses a client, until it ends or SIGINT or SIGTERM cancels it. Blocks.

    Raises:
        Failure: the service does not answer, or refuses.
        SystemExit: 130 after a signal.
    """
    check_extra()
    from ....client import AsyncClient  # noqa: PLC0415  # see Service.found

    url, token = service.found()

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine that runs has a task
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            made = AsyncClient(url, token)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        async with made as client:
            await use(client)

    try:
        with told():
            asyncio.run(run())
    except asyncio.CancelledError:
        sys.exit(INTERRUPTED)


def check_extra() -> None:
    """Refuse to go on without the packages of ``lading[client]``."""
    for name in ("httpx", "rich"):
        if find_spec(name) is None:
            raise click.ClickException(f"{name} is not installed: pip install 'lading[client]'")


def _sentence(error: Any) -> str:
    """What an error of the client says, with the parameters at fault."""
    faults = "".join(f"\n  {one.get('parameter')}: {one.get('detail')}" for one in error.errors)
    return f"{error}{faults}"


def printable(text: str) -> str:
    """A text of strangers without what a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def readable(size: int) -> str:
    """Bytes as people write them."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007  # the last one counts
        if value < 1000:  # noqa: PLR2004  # decimal units
            break
        value /= 1000
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
