"""Checks the errors of plugins: well-formed, and allowed by the contract. Puts the plugin's name on each."""

import math
import re
from dataclasses import dataclass
from typing import Final, cast

from ..errors import DeadlineExceeded, PluginBlocked, PluginError, PluginFault

_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")
_OF_ANY_KIND: Final = (DeadlineExceeded, PluginBlocked, PluginFault)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Checks the errors of one plugin.

    Attributes:
        plugin: its entry-point name, which each error gets.
        raises: the errors that its contract allows.
    """

    plugin: str
    raises: type[PluginError]

    def fault(self, internal: str) -> PluginFault:
        """An error that says which rule the plugin broke."""
        fault = PluginFault(internal)
        fault.plugin = self.plugin
        return fault

    def judged(self, error: Exception, operation: str) -> PluginError:
        """The error with the plugin's name; a ``PluginFault`` instead if the contract does not allow the error."""
        if not isinstance(error, PluginError):
            return self.fault(f"{operation} raised {type(error).__name__}")
        problem = malformed(error)
        if problem is not None:
            return self.fault(f"{operation} raised {type(error).__name__}: {problem}")
        if not isinstance(error, (self.raises, *_OF_ANY_KIND)):
            return self.fault(f"{operation} raised {type(error).__name__}, which is no {self.raises.__name__}")
        error.plugin = self.plugin
        return error


def malformed(error: PluginError) -> str | None:
    """Why an error of a plugin cannot be shown or handled, or None if it can."""
    code, retryable, internal = cast("tuple[object, ...]", (error.code, error.retryable, error.internal))
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return "its code is not a word in lower case"
    if type(retryable) is not bool:
        return "its retryable is not a bool"
    if not isinstance(internal, str):
        return "its internal is not a str"
    wait = error.retry_after
    if wait is not None and not (isinstance(wait, int | float) and math.isfinite(wait) and wait >= 0):
        return "its retry_after is not a number of seconds"
    try:
        detail: object = error.detail
    except Exception:  # noqa: BLE001 - a text of the plugin's own making
        return "its public_text cannot be formatted"
    if not isinstance(detail, str) or not detail.strip() or not detail.isprintable():
        return "its text for the client is empty or cannot be printed"
    return None
