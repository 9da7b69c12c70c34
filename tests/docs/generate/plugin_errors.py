"""Every error of ``lading.plugins.errors``, with the facts that its text shows."""

from lading.plugins.errors import PluginError
from tests.support.plugins.plugin_errors import placeholders, tree

HEAD = "| Class | Base | Retryable | Facts | The client reads |\n|---|---|---|---|---|"


def plugin_errors() -> str:
    """The part, in Markdown: a row for each class, below its base."""
    return "\n".join([HEAD, *map(_row, tree())])


def _row(cls: type[PluginError]) -> str:
    base = "" if cls is PluginError else f"`{cls.__mro__[1].__name__}`"
    facts = ", ".join(f"`{fact}`" for fact in sorted(placeholders(cls.public_text)))
    texts = " or ".join(f"“{text}”" for text in (cls.public_text, cls.plain_text) if text)
    return f"| `{cls.__name__}` | {base} | {'yes' if cls.retryable else 'no'} | {facts} | {texts} |"
