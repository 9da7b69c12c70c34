"""HTTP answers as ``curl -i`` prints them: a status line, header fields, and a body.

A page shows the header fields that matter. Any field that it shows must be there, with its value.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.docs.pages.comparing import TIME, Names, documents, json_difference, lines_difference

WIDTH: Final = 98
SHOWN_TIME: Final = "2026-08-01T12:00:00.000+00:00"
"""What recorded pages show for each time, so that a new recording changes nothing that is the same."""
REST: Final = "…"
_INTERIM: Final = re.compile(r"HTTP/1\.1 1\d\d ")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; names of header fields are as they are sent, and in their order."""

    status: str
    fields: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def of(cls, text: str) -> "Answer":
        """Read what ``curl -i`` has printed, or what a page shows."""
        head, _, body = text.replace("\r\n", "\n").lstrip().partition("\n\n")
        while _INTERIM.match(head):
            head, _, body = body.partition("\n\n")
        status, *lines = head.splitlines() or [""]
        pairs = [line.partition(":") for line in lines if line.strip() != REST]
        return cls(status.strip(), tuple((name.strip(), value.strip()) for name, _, value in pairs), body.strip())

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, or several documents of it."""
        return self.body.startswith(("{", "["))


def answer_difference(expected: str, actual: str, names: Names) -> str:
    """Where an answer is not as a page shows it; empty where it is."""
    wanted, given = Answer.of(expected), Answer.of(actual)
    if wanted.status != given.status:
        return f"the status is {given.status!r}, not {wanted.status!r}"
    fields = {name.lower(): value for name, value in given.fields}
    for name, value in wanted.fields:
        if not names.match(value, fields.get(name.lower(), "")):
            return f"the field {name} is {fields.get(name.lower())!r}, not {value!r}"
    if wanted.is_json:
        return json_difference(wanted.body, given.body, names)
    return lines_difference(wanted.body.splitlines(), given.body.splitlines(), names)


def recorded(shown: str, printed: str, names: Names) -> str:
    """The answer that a page is to show, from what it shows and what was printed.

    The page decides which header fields it shows, and what it leaves out with ``…``. Ids keep the names that they have
    on the page.
    """
    old, new = Answer.of(shown), Answer.of(printed)
    fields = {name.lower(): value for name, value in new.fields}
    lines = [new.status]
    for name, value in old.fields:
        given = fields.get(name.lower(), "")
        is_kept = names.match(value, given) and REST in value
        lines.append(f"{name}: {value if is_kept else given}")
    body = new.body
    if new.is_json:
        before = documents(old.body) if old.is_json else []
        after = sorted(documents(new.body), key=_line)  # a batch answers in any order
        before += [None] * (len(after) - len(before))
        width = WIDTH if len(after) > 1 or "ndjson" in fields.get("content-type", "") else WIDTH // 2
        body = "\n".join(_written(_kept(*pair, names), width) for pair in zip(before, after, strict=False))
    elif old.body:
        body = old.body
    text = "\n".join(lines) + (f"\n\n{body}" if body else "")
    return names.undone(re.sub(TIME, SHOWN_TIME, text)) + "\n"


def _line(document: Any) -> float:
    """The line of a batch that an answer is about; what sums up comes last."""
    return document.get("line", math.inf) if isinstance(document, dict) else 0


def _kept(old: Any, new: Any, names: Names) -> Any:
    """The new value, with what the page leaves out; learns names where old and new have the same place."""
    if old == REST:
        return REST
    if isinstance(old, dict) and isinstance(new, dict):
        if REST in old:
            return {**{key: _kept(old[key], new[key], names) for key in old if key in new}, REST: REST}
        return {key: _kept(old.get(key), value, names) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        padded = old + [None] * (len(new) - len(old))
        return [_kept(*pair, names) for pair in zip(padded, new, strict=False)]
    if isinstance(old, str) and isinstance(new, str):
        names.match(old, new)
    return new


def _written(document: Any, width: int) -> str:
    """JSON for people: in one line where it fits, else indented."""
    line = json.dumps(document, ensure_ascii=False)
    return line if len(line) <= width else _indented(document, 0)


def _indented(value: Any, depth: int) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (depth > 0 and len(line) + 2 * depth <= WIDTH - 30):
        return line
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        items = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {_indented(one, depth + 1)}" for key, one in value.items()
        ]
        return "{\n" + ",\n".join(items) + f"\n{end}}}"
    return "[\n" + ",\n".join(pad + _indented(one, depth + 1) for one in value) + f"\n{end}]"
