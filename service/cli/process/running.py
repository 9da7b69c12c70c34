"""A process of Lading, from its configuration to its end."""

import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop

from ....plugins.errors import PluginError
from ...config import Components, Fault, Settings, SettingsError, load_all
from ...documents import StoreError
from ...observe import logs
from ...observe.log_queue import queued_lines
from ...runtime.descriptors import say_if_short
from ...runtime.serving import WorkerDied
from ...runtime.signals.handlers import Wishes, obeying
from ...runtime.signals.reloading import Reloading
from ...runtime.supervision.supervisor import StartRefused
from ..common import audit_file_of, refused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs until a signal stops it.

    Attributes:
        path, environ: where the configuration comes from, also when it is reloaded.
        settings, components: the configuration.
    """

    path: Path | None
    environ: Mapping[str, str]
    settings: Settings
    components: Components

    def until_stopped(
        self,
        process: Callable[[Wishes, Reloading], Coroutine[Any, Any, None]],
        contradictions: Sequence[Fault] = (),
        doubts: Sequence[Fault] = (),
        *,
        has_children: bool = False,
    ) -> None:
        """Run the process.

        Args:
            process: gets what somebody wants from it, and the reloads of the configuration.
            contradictions: of the configuration, to be logged.
            doubts: about the configuration, to be logged.
            has_children: whether it ends its children before a second signal ends it. They tell of reloads themselves.
        """
        is_json = logs.configure(self.settings.service.log_level, self.settings.service.log_format)
        threading.excepthook = logs.log_uncaught

        async def run() -> None:
            wishes = Wishes()
            running = (self.settings, self.components)
            reloading = Reloading(lambda: load_all(self.path, self.environ), running, is_telling=not has_children)
            with obeying(wishes, has_children=has_children):
                await process(wishes, reloading)

        with queued_lines():
            say_if_short(self.settings)
            for warning in contradictions:
                log.warning("limits contradict each other", reason=str(warning))
            for doubt in doubts:
                log.warning("the configuration is probably not meant so", reason=str(doubt))
            try:
                with audit_file_of(self.settings, is_direct=False):
                    run_to_its_end(run)
            except click.ClickException as error:
                if not is_json:
                    raise
                log.critical("the process ends with an error", reason=error.message)
                sys.exit(1)


def run_to_its_end(process: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process to its end; turn a failure to start into a message."""
    try:
        uvloop.run(process())
    except SettingsError as error:
        raise refused(error) from error
    except (StartRefused, StoreError, PluginError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except WorkerDied as error:
        raise click.ClickException(f"the worker died: {error.__cause__!r}") from error
