"""The parsers' work is linear in their input: instructions of the interpreter are counted, and no time is taken."""

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from lading.service.api.params import ParamLimits, parse_form, parse_json, parse_multipart
from lading.service.errors.params import ParamsError

LIMITS = ParamLimits()
BOUNDARY = "multipart/form-data; boundary=x"


def instructions(call: Callable[[], object]) -> int:
    """How many bytecode instructions of this project's code, and of what it calls in Python, a call takes."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except ParamsError:
        pass
    finally:
        sys.settrace(before)
    return count


def part(name: str, value: str = "v", more: str = "") -> str:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


FORMS: dict[str, Callable[[int], str]] = {
    "one name": lambda n: "&".join(["a=1"] * n),
    "many names": lambda n: "&".join(f"a{i}=1" for i in range(n)),
    "elements": lambda n: "&".join(["a[]=1"] * n),
    "objects": lambda n: "&".join(["a[][k]=1"] * n),
    "objects of many members": lambda n: "&".join(f"a[][k{i}]=1" for i in range(n)),
    "members": lambda n: "&".join(f"a[k{i}]=1" for i in range(n)),
    "deep names": lambda n: "&".join(["a" + "[b]" * 30 + "=1"] * (n // 16)),
    "deep objects": lambda n: "&".join(["a" + "[][b]" * 15 + "=1"] * (n // 16)),
    "too deep": lambda n: "a" + "[b]" * n,
    "opening brackets": lambda n: "a" + "[" * n + "=1",
    "brackets": lambda n: "a" + "[]" * n + "=1",
    "nothing": lambda n: "&" * n,
    "spaces": lambda n: "&" + " " * n,
    "escapes": lambda n: "a=" + "%41" * n,
    "bad escapes": lambda n: "a=" + "%" * n,
    "a long name": lambda n: "a" * n,
    "conflicts": lambda n: "&".join(["a[]=1"] * n) + "&a[b]=1",
}
JSONS: dict[str, Callable[[int], str]] = {
    "members": lambda n: json.dumps({f"k{i}": i for i in range(n)}),
    "elements": lambda n: json.dumps({"a": ["x"] * n}),
    "objects": lambda n: json.dumps({"a": [{"b": 1}] * n}),
    "nesting": lambda n: '{"a":' + "[" * n,
    "strings that do not end": lambda n: '{"a":"' + '\\"' * n,
    "digits": lambda n: '{"a":' + "9" * n + "}",
    "an exponent": lambda n: '{"a":1e' + "9" * n + "}",
    "one key": lambda n: "{" + ",".join(['"a":1'] * n) + "}",
    "white space": lambda n: " " * n + "{}",
    "escapes": lambda n: '{"a":"' + "\\u0041" * n + '"}',
}
MULTIPARTS: dict[str, Callable[[int], str]] = {
    "parts": lambda n: part("a") * n + "--x--\r\n",
    "elements": lambda n: part("a[][b]") * n + "--x--\r\n",
    "a long value": lambda n: part("a", "v" * n) + "--x--\r\n",
    "almost boundaries": lambda n: part("a", "\r\n--" * n) + "--x--\r\n",
    "line breaks": lambda n: part("a", "\r\n" * n) + "--x--\r\n",
    "a preamble": lambda n: "y" * n + "\r\n" + part("a") + "--x--\r\n",
    "header parameters": lambda n: part("a", more="; b=c" * n) + "--x--\r\n",
    "headers": lambda n: part("a", more="\r\nX: y" * n) + "--x--\r\n",
    "no end": lambda n: part("a") + "--x\r\n" * n,
}
CALLS: dict[str, Callable[[str], object]] = {
    "form": lambda text: parse_form(text.encode(), LIMITS),
    "json": lambda text: parse_json(text.encode(), LIMITS),
    "multipart": lambda text: parse_multipart(text.encode(), BOUNDARY, LIMITS),
}
SHAPES = [
    pytest.param(CALLS[kind], shape, id=f"{kind}: {name}")
    for kind, shapes in (("form", FORMS), ("json", JSONS), ("multipart", MULTIPARTS))
    for name, shape in shapes.items()
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("parse", "shape"), SHAPES)
def test_twice_the_input_is_no_more_than_twice_the_work(
    parse: Callable[[str], object], shape: Callable[[int], str]
) -> None:
    small, large = shape(512), shape(1024)
    parse_once = instructions(lambda: parse(small))  # what is made when it is first needed does not count
    once, twice = (instructions(lambda text=text: parse(text)) for text in (small, large))  # type: ignore[misc]
    assert parse_once > 0
    assert twice <= 2.1 * once + 100


def test_a_quadratic_parser_would_be_seen() -> None:
    def quadratic(text: str) -> None:
        for _ in text:
            for _ in text:
                pass

    once, twice = (instructions(lambda n=n: quadratic("x" * n)) for n in (64, 128))  # type: ignore[misc]
    assert twice > 3.5 * once
