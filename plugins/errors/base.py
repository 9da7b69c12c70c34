"""The base of the tree, and failures that every kind of plugin can have."""

from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar


class PluginError(Exception):
    """Base of everything a plugin may raise.

    Args:
        internal: text for the operator's log. No client sees it. It must contain no secret.
        retry_after: seconds that the other side asks to wait before the next attempt (RFC 9110 section 10.2.3), or
            None.
        facts: a value for every placeholder of ``public_text``. The client sees each value.

    A missing fact never fails: the client then reads ``plain_text``, or the sentence of the class's base.
    """

    code: ClassVar[str] = "plugin_error"
    retryable: ClassVar[bool] = False
    public_text: ClassVar[str] = "The import failed."
    plain_text: ClassVar[str] = ""
    """The sentence in place of ``public_text`` where a fact is missing; without one, the base's sentence stands in."""

    def __init__(self, internal: str = "", *, retry_after: float | None = None, **facts: str | int) -> None:
        super().__init__(internal)
        self.internal = internal
        self.retry_after = retry_after
        self.facts: Mapping[str, str | int] = facts
        self.plugin: str | None = None
        """Name of the plugin that raised the error; the wrapper around the plugin sets it."""

    @property
    def detail(self) -> str:
        """The sentence a client may read: ``public_text`` or ``plain_text``, or else those of the nearest base."""
        lineage = (cls for cls in type(self).__mro__ if issubclass(cls, PluginError))
        for text in (text for cls in lineage for text in (cls.public_text, cls.plain_text) if text):
            with suppress(KeyError):
                return str(text.format(**self.facts))
        return PluginError.public_text

    def __str__(self) -> str:
        stamp = f"[{self.plugin}] " if self.plugin else ""
        return f"{stamp}{self.code}: {self.detail}" + (f" ({self.internal})" if self.internal else "")


class PluginFault(PluginError):
    """A plugin raised something outside this tree, or broke its contract: a bug in the plugin."""

    code = "plugin_fault"
    public_text = "A component of the service failed unexpectedly."


class DeadlineExceeded(PluginError):
    """A plugin did not answer within the deadline that its wrapper sets."""

    code = "deadline_exceeded"
    retryable = True
    public_text = "A component of the service did not finish in time."


class PluginBlocked(PluginError):
    """A plugin blocked the event loop, and so the whole service, for too long; Lading stopped the call."""

    code = "plugin_blocked"
    public_text = "A component of the service hung and was stopped."
