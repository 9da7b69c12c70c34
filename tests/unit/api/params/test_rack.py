"""Nested parameters against Rack itself: what Rack 3.2.0's ``QueryParser`` made of 420 queries.

``rack_cases.json`` holds each query and its outcome: the parameters in their order, ``conflict`` where Rack raises
``ParameterTypeError``, ``limit`` where it raises ``QueryLimitError``. It was written by running Rack; 200,000 further
random queries of the same kinds had the same outcome in both when it was.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lading.service.api.params import (
    ParameterConflict,
    ParametersTooDeep,
    ParamLimits,
    parse_form,
    parse_multipart,
    parse_query,
)

CASES: list[tuple[str, Any]] = [
    tuple(case) for case in json.loads((Path(__file__).parent / "rack_cases.json").read_text(encoding="utf-8"))
]
ERRORS = {"conflict": ParameterConflict, "limit": ParametersTooDeep}
LIMITS = ParamLimits()


def test_the_table_is_what_it_says() -> None:
    kinds = Counter(outcome if isinstance(outcome, str) else "read" for _, outcome in CASES)
    assert len(dict(CASES)) == len(CASES) == 420
    assert (kinds["conflict"] >= 50, kinds["limit"] >= 2, kinds["read"] >= 300) == (True, True, True)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("query", "outcome"), CASES)
def test_a_query_has_the_outcome_that_it_has_in_rack(query: str, outcome: Any) -> None:
    for parse in (parse_query, lambda text, limits: parse_form(text.encode(), limits)):
        if isinstance(outcome, str):
            with pytest.raises(ERRORS[outcome]):
                parse(query, LIMITS)
        else:
            assert json.dumps(parse(query, LIMITS)) == json.dumps(outcome), "also in its order"


def test_the_fields_of_a_multipart_body_nest_by_the_same_rules() -> None:
    compared = 0
    for query, outcome in CASES:
        pairs = [pair.partition("=") for pair in query.split("&")]
        names = [name.replace("[", "").replace("]", "") for name, _, _ in pairs]
        if isinstance(outcome, str) or {"+", "%"} & set(query) or not all(name.isidentifier() for name in names):
            continue
        parts = "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, _, value in pairs
        )
        expected = parse_query("&".join(f"{name}={value}" for name, _, value in pairs), LIMITS)
        assert parse_multipart(f"{parts}--x--\r\n".encode(), "multipart/form-data; boundary=x", LIMITS) == expected
        compared += 1
    assert compared >= 50
