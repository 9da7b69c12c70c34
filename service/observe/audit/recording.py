"""Records what is done: an operation of the API by ``audited``, any other block by ``recorded``.

Events are lines of the logger ``audit``: they appear in the log of the process at any level, and in the file of
``[audit]``. No event holds a secret: objects are named by their ids.
"""

import functools
import getpass
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import structlog

from ...errors.catalogue import ApiError
from ...models.grants import Grant
from ..logs import STEPS
from .actions import LOGGER, Action

MAX_TEXT: Final = 255
"""Characters of a text from outside; the rest is cut off, so that a line is one write to its file."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is served."""

log = structlog.wrap_logger(logging.getLogger(LOGGER), processors=STEPS, wrapper_class=structlog.stdlib.BoundLogger)
"""It works without a configured log too: a command has none."""

Parameters = ParamSpec("Parameters")
Owner = TypeVar("Owner")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Event:
    """What happens within a ``recorded`` block.

    Attributes:
        object: ids of what is changed; the block may add to them.
        facts: numbers of the result, which the block adds.
        is_void: whether nothing was done after all, and nothing is to be recorded.
    """

    object: dict[str, str | None] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    is_void: bool = False


SERVICE: Final[Mapping[str, str]] = {"kind": "service"}
"""The actor of what a service does by itself."""


def client(grant: Grant) -> Mapping[str, str]:
    """The actor with this token."""
    subject = {} if grant.subject is None else {"subject": grant.subject[:MAX_TEXT]}
    return {"kind": "client", "issuer_id": grant.issuer_id, **subject}


def operator() -> Mapping[str, str]:
    """The actor who runs this command: the user of the operating system."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "unknown"
    return {"kind": "operator", "user": user[:MAX_TEXT]}


def asking_operator(address: str) -> Mapping[str, str]:
    """The actor who asks the admin listener, which knows addresses and no names."""
    return {"kind": "operator", "address": address[:MAX_TEXT]}


@contextmanager
def recorded(action: Action, actor: Mapping[str, str], **of: str | None) -> Iterator[Event]:
    """Record what the block does, when it ends, and whether it raised an error.

    Args:
        action: what the block does.
        actor: see ``client``, ``operator``, ``asking_operator`` and ``SERVICE``.
        of: ids of what is changed.
    """
    event = Event(dict(of))
    outcome, code = "failed", None
    try:
        yield event
        outcome = "done"
    except ApiError as error:
        code = error.code
        outcome = "refused" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
        raise
    finally:
        if not event.is_void:
            log.info(
                action.value,
                actor=dict(actor),
                object={name: text[:MAX_TEXT] for name, text in event.object.items() if text is not None},
                outcome=outcome,
                code=code,
                request_id=request_id.get(),
                **event.facts,
            )


def audited(
    action: Action, name: str | None = None, made: Callable[[Any], str] | None = None
) -> Callable[
    [Callable[Concatenate[Owner, Grant, Parameters], Awaitable[Answer]]],
    Callable[Concatenate[Owner, Grant, Parameters], Awaitable[Answer]],
]:
    """Record each call of an operation of the API, whose first argument is the grant.

    Args:
        action: what the operation does.
        name: of the id that is the second argument, or of the one that was made; None without one.
        made: the id, from what the operation returns.
    """

    def decorate(
        operation: Callable[Concatenate[Owner, Grant, Parameters], Awaitable[Answer]],
    ) -> Callable[Concatenate[Owner, Grant, Parameters], Awaitable[Answer]]:
        @functools.wraps(operation)
        async def call(
            self: Owner, grant: Grant, /, *arguments: Parameters.args, **options: Parameters.kwargs
        ) -> Answer:
            of = {name: str(arguments[0])} if name is not None and made is None else {}
            with recorded(action, client(grant), **of) as event:
                answer = await operation(self, grant, *arguments, **options)
                if name is not None and made is not None:
                    event.object[name] = made(answer)
                return answer

        return call

    return decorate
