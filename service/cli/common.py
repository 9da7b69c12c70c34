"""The common parts of the commands: input, configuration and document store."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from ...plugins.errors import PluginError
from ..config import Components, Settings, SettingsError, load_all, load_settings
from ..documents import DocumentStore, DuplicateId, StoreError
from ..models.clock import SystemClock
from ..models.issuers import MAX_ISSUER_ID, is_issuer_id
from ..observe.audit.actions import Action
from ..observe.audit.file import AuditUnwritable, audit_file
from ..observe.audit.recording import Event, operator, recorded
from ..runtime.wiring import opened_store

Result = TypeVar("Result")

MAX_NAME = 255
MAX_SECRET_BYTES = 8192

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="LADING_CONFIG",
    show_envvar=True,
    help="Path of service.conf. Without it, every option has its default.",
)


# --- input ------------------------------------------------------------------------------------------------------------


def checked(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """The callback of an option: its value, or each of its values, as ``parse`` returns or refuses it."""

    def convert(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(map(parse, value))
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return convert


def parse_issuer_id(text: str) -> str:
    """The id of an issuer, by the rules of ``[issuer.<id>]``.

    Raises:
        ValueError: it is empty, longer than 255 characters, not printable, or has spaces.
    """
    if not is_issuer_id(text):
        raise ValueError(f"{text!r} is not an issuer id: 1 to {MAX_ISSUER_ID} printable characters without spaces")
    return text


def parse_name(text: str) -> str:
    """The name of an album or an ability, or an organisation's id.

    Raises:
        ValueError: it is empty, longer than 255 characters, or not printable.
    """
    if not text.isprintable() or not 1 <= len(text) <= MAX_NAME:
        raise ValueError(f"{text!r} is not a name of 1 to {MAX_NAME} printable characters")
    return text


def read_secret_file(file: BinaryIO, *, one_line: bool) -> str:
    """The text of a secret in one line, or of a key in a file, without its last line break.

    Raises:
        ValueError: it is longer than 8192 bytes, not UTF-8, or more than one line. The message does not repeat it.
        OSError: it cannot be read.
    """
    content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret or key is longer than {MAX_SECRET_BYTES} bytes")
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("the secret or key is not UTF-8") from None
    if one_line and ("\n" in text or "\0" in text):
        raise ValueError("the secret is more than one line of text")
    return text


# --- configuration and documents --------------------------------------------------------------------------------------


def settings_from(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load the settings without the plugins.

    Raises:
        ClickException: with every fault.
    """
    try:
        return load_settings(config, environ)
    except SettingsError as error:
        raise refused(error) from error


def everything_from(config: Path | None, environ: Mapping[str, str]) -> tuple[Settings, Components]:
    """Load the settings and the configured plugins.

    Raises:
        ClickException: with every fault.
    """
    try:
        return load_all(config, environ)
    except SettingsError as error:
        raise refused(error) from error


def refused(error: SettingsError) -> click.ClickException:
    """The message about a configuration: one fault on its first line, several faults below it."""
    if len(error.faults) == 1:
        return click.ClickException(str(error))
    lines = "".join(f"\n  {fault}" for fault in error.faults)
    return click.ClickException(f"the configuration has {len(error.faults)} faults:{lines}")


def keeps_documents(settings: Settings) -> bool:
    """Whether other processes see the documents."""
    return settings.documents.backend != "memory"


def check_kept(settings: Settings) -> None:
    """Check that this command sees the documents of services.

    Raises:
        ClickException: they are in the memory of another process.
    """
    if not keeps_documents(settings):
        raise click.ClickException("this command cannot see the documents of [documents] backend = memory")


def documents_place(settings: Settings) -> str:
    """The place of the documents in full, since a relative path means another file in another folder."""
    if settings.documents.backend == "sqlite":
        return f"sqlite {settings.documents_sqlite.path.absolute()}"
    return settings.documents.backend


def on_store(settings: Settings, use: Callable[[DocumentStore], Coroutine[Any, Any, Result]]) -> Result:
    """Open the document store for one use. Blocks.

    Raises:
        DuplicateId: from ``use``.
        ClickException: the documents are in memory, or the store does not work.
    """
    if not keeps_documents(settings):
        raise click.ClickException("[documents] backend = memory stores no issuers; declare them in service.conf")

    async def call() -> Result:
        async with opened_store(settings, SystemClock()) as store:
            return await use(store)

    return run_on_parts(call())


def run_on_parts(use: Coroutine[Any, Any, Result]) -> Result:
    """Run what uses the documents, and the storages too, to its end. Blocks.

    Raises:
        DuplicateId: from ``use``.
        ClickException: they do not work.
    """
    try:
        return asyncio.run(use)
    except DuplicateId:
        raise
    except SettingsError as error:
        raise refused(error) from error
    except (StoreError, PluginError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM interrupts the block as Ctrl-C does, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def no_issuer(settings: Settings, issuer_id: str) -> click.ClickException:
    """The message that the issuer does not exist, with the place of the search."""
    places = (
        f"the configuration or in {documents_place(settings)}" if keeps_documents(settings) else "the configuration"
    )
    return click.ClickException(f"no issuer {issuer_id!r} exists in {places}; see 'lading issuer list'")


@contextmanager
def audited_command(settings: Settings, action: Action, **of: str | None) -> Iterator[Event]:
    """Record what the block does in the file of ``[audit]``, if there is one, also if SIGTERM ends it. Blocks.

    Args:
        settings: name the file.
        action: what the block does.
        of: ids of what is changed.

    Raises:
        ClickException: the file cannot be written; the block has not begun.
    """
    with interrupted_by_sigterm(), audit_file_of(settings), recorded(action, operator(), **of) as event:
        yield event


@contextmanager
def audit_file_of(settings: Settings, *, is_direct: bool = True) -> Iterator[None]:
    """See ``audit_file``, with the file of ``[audit]``. Blocks.

    Raises:
        ClickException: the file cannot be written; the block has not begun.
    """
    try:
        with audit_file(settings.audit.file, is_direct=is_direct):
            yield
    except AuditUnwritable as error:
        raise refused(SettingsError([settings.fault(str(error), "audit", "file")])) from error
