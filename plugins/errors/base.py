"""The base of the tree, and failures that every kind of plugin can have."""

from collections.abc import Mapping
from typing import Any, ClassVar


class PluginError(Exception):
    """Base of everything a plugin may raise.

    Args:
        internal: text for the operator's log. No client sees it. It must contain no secret.
        retry_after: seconds that the other side asks to wait before the next attempt (RFC 9110 section 10.2.3), or
            None.
        facts: a value for every placeholder of ``public_text``. The client sees each value.

    Raises:
        KeyError: a placeholder has no fact, and the class has no ``plain_text``. The constructor raises it, so that the
            mistake shows where it is made.
    """

    code: ClassVar[str] = "plugin_error"
    retryable: ClassVar[bool] = False
    public_text: ClassVar[str] = "The import failed."
    plain_text: ClassVar[str] = ""
    """The sentence in place of ``public_text`` where a fact is missing. Every class of ``lading.plugins.errors`` whose
    text has placeholders has one. A class that declares a ``public_text`` of its own inherits none."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "public_text" in vars(cls) and "plain_text" not in vars(cls):
            cls.plain_text = ""

    def __init__(self, internal: str = "", *, retry_after: float | None = None, **facts: str | int) -> None:
        super().__init__(internal)
        self.internal = internal
        self.retry_after = retry_after
        self.facts: Mapping[str, str | int] = facts
        self.plugin: str | None = None
        """Name of the plugin that raised the error; the wrapper around the plugin sets it."""
        self._sentence()

    @property
    def detail(self) -> str:
        """The sentence a client may read."""
        return self._sentence()

    def _sentence(self) -> str:
        try:
            return self.public_text.format(**self.facts)
        except KeyError:
            if not self.plain_text:
                raise
            return self.plain_text

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
