"""The common part of the commands for the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from ...config import Settings
from ...documents.upkeep import Copying
from ...models.clock import SystemClock
from ...runtime.opening import make_store
from ...storages.audit.inventory import InventoryFailed
from ...storages.backup.folders import BackupRefused
from ..common import interrupted_by_sigterm


def copying_of(settings: Settings) -> Copying:
    """Copies the configured database.

    Raises:
        ClickException: the database's own tools do.
    """
    copying = make_store(settings, SystemClock()).copying
    if copying is None:
        raise click.ClickException(
            f"[documents] backend = {settings.documents.backend}: this command copies SQLite databases only. Use "
            "mongodump --oplog and mongorestore --oplogReplay for MongoDB, then 'lading storage audit'; the guide "
            "'Back up and restore' says in which order"
        )
    return copying


def in_place(settings: Settings, path: Path) -> Settings:
    """The settings for a database at another place, which may be upgraded."""
    moved = settings.documents_sqlite.model_copy(update={"path": path})
    return replace(upgrading(settings), documents_sqlite=moved)


def upgrading(settings: Settings) -> Settings:
    """The settings for a command by which an operator upgrades the database."""
    return replace(settings, documents=settings.documents.model_copy(update={"upgrade": "auto"}))


@contextmanager
def told() -> Iterator[None]:
    """SIGTERM and Ctrl-C clean up, and what the commands refuse or the system refuses them is a message."""
    try:
        with interrupted_by_sigterm():
            yield
    except (BackupRefused, InventoryFailed) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the disk'}: {error.strerror or error}") from error
