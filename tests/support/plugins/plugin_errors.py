"""Every class of ``lading.plugins.errors``, and an error of each."""

import string
from collections.abc import Iterator

from lading.plugins.errors import PluginError


def placeholders(template: str) -> set[str]:
    """Names of the facts that a ``str.format`` template wants."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def tree(root: type[PluginError] = PluginError) -> Iterator[type[PluginError]]:
    """The class and all below it, as far as the project itself declares them."""
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("lading.plugins.errors."):
            yield from tree(child)


def sample(cls: type[PluginError], **options: float) -> PluginError:
    """An error of the class with all its facts, and internal text."""
    facts: dict[str, str | int] = dict.fromkeys(placeholders(cls.public_text), "fact")
    return cls("for the operator", retry_after=options.get("retry_after"), **facts)
