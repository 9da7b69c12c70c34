"""Where a generated part stands in its page: between two comments, of which the first names it."""

import re
from collections.abc import Mapping
from typing import Final

_MARKED: Final = re.compile(
    r"^<!-- generated: (?P<name>[\w -]+) -->\n.*?^<!-- end of generated -->$", re.MULTILINE | re.DOTALL
)


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A page with its generated parts as they are now.

    Raises:
        KeyError: the page names a part that nobody generates.
        ValueError: the page lacks a part.
    """
    found = {match["name"] for match in _MARKED.finditer(text)}
    if missing := parts.keys() - found:
        raise ValueError(f"the page has no place for {sorted(missing)}")
    return _MARKED.sub(
        lambda match: (
            f"<!-- generated: {match['name']} -->\n\n{parts[match['name']].strip()}\n\n<!-- end of generated -->"
        ),
        text,
    )
