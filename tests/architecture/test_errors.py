"""The catalogue of API errors, the tree of plugin errors, and every place in the source that raises one."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

import lading.backends
import lading.plugins
import lading.plugins.errors
import lading.service
from lading.plugins.errors import (
    DataUrlInvalid,
    HeaderNotAllowed,
    OriginNotFound,
    PluginError,
    SourceRefused,
    StorageUnavailable,
    UrlInvalid,
)
from lading.service.errors.catalogue import CATALOGUE, INTERNAL, WORKER_LOST, ApiError, failure_of
from tests.support.plugins.plugin_errors import placeholders, sample, tree

CLASSES = list(tree())
CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)*")
SENTENCE = re.compile(r"[A-Z].*[.]", re.DOTALL)


# --- plugin errors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_formats_its_text_with_its_facts(cls: type[PluginError]) -> None:
    error = sample(cls)
    assert "{" not in error.detail
    assert SENTENCE.fullmatch(error.detail)
    assert error.detail.count("fact") == len(placeholders(cls.public_text))
    assert "for the operator" not in error.detail
    assert str(error) == f"{cls.code}: {error.detail} (for the operator)"
    error.plugin = "name"
    assert str(error).startswith(f"[name] {cls.code}: ")
    assert CODE.fullmatch(cls.code)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if placeholders(cls.public_text)], ids=lambda cls: cls.__name__)
def test_a_class_has_a_sentence_for_the_time_when_a_fact_is_missing(cls: type[PluginError]) -> None:
    error = cls("for the operator")
    assert error.detail == cls.plain_text != sample(cls).detail
    assert SENTENCE.fullmatch(error.detail)
    assert "HTTP" not in error.detail
    assert str(error) == f"{cls.code}: {error.detail} (for the operator)"


def test_a_class_of_an_author_without_its_facts_says_what_its_base_says() -> None:
    class TapeMissing(OriginNotFound):
        code = "tape_missing"
        public_text = "The tape {tape} is missing."

    class TapeGone(TapeMissing):
        plain_text = "A tape is missing."

    class RobotBroken(StorageUnavailable):
        code = "robot_broken"
        public_text = "The robot {robot} is broken."

    assert TapeMissing(tape="LTO-1").detail == TapeGone(tape="LTO-1").detail == "The tape LTO-1 is missing."
    assert TapeMissing("robot 3").detail == OriginNotFound.plain_text
    assert TapeMissing("robot 3", status=550).detail == OriginNotFound.plain_text
    assert TapeGone("robot 3").detail == "A tape is missing."
    assert RobotBroken("robot 3").detail == StorageUnavailable.public_text
    assert str(TapeMissing("robot 3")) == f"tape_missing: {OriginNotFound.plain_text} (robot 3)"


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) > 40
    assert len(set(codes)) == len(codes)
    assert set(codes).isdisjoint(CATALOGUE)


def test_every_class_of_the_module_is_in_the_tree() -> None:
    declared = {value for value in vars(lading.plugins.errors).values() if isinstance(value, type)}
    assert {cls for cls in declared if issubclass(cls, Exception)} == set(CLASSES)


def test_every_class_declares_a_code_of_its_own() -> None:
    assert all("code" in vars(cls) and "public_text" in vars(cls) for cls in CLASSES)


@pytest.mark.parametrize("fact", ["{0}", "{x}", "{", "%s", "\u202e", "a\nb"])
def test_facts_are_data(fact: str) -> None:
    assert UrlInvalid(reason=fact).detail == f"The url is not valid: {fact}."


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_failure_says_what_the_error_says(cls: type[PluginError]) -> None:
    error = sample(cls)
    failure = failure_of(error)
    assert (failure.code, failure.detail, failure.retryable) == (cls.code, error.detail, cls.retryable)


# --- API errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_api_error_formats(code: str) -> None:
    spec = CATALOGUE[code]
    facts: dict[str, Any] = dict.fromkeys(placeholders(spec.text), "fact")
    error = ApiError(code, internal="for the operator", retry_after=3, **facts)
    assert (error.code, error.status, error.retry_after) == (code, spec.status, 3)
    assert SENTENCE.fullmatch(error.detail)
    assert "{" not in error.detail
    assert "for the operator" not in error.detail
    assert str(error) == f"{code}: for the operator"
    assert str(ApiError(code, **facts)) == f"{code}: {error.detail}"
    assert spec.code == code
    assert CODE.fullmatch(code)
    assert 400 <= spec.status <= 599


def test_an_api_error_names_its_parameter() -> None:
    assert ApiError("parameter_invalid", parameter="url", reason="is bad").parameter == "url"
    assert ApiError("not_found").parameter is None


def test_an_unknown_code_or_a_missing_fact_is_a_defect() -> None:
    with pytest.raises(KeyError):
        ApiError("no_such_code")
    with pytest.raises(KeyError):
        ApiError("forbidden")


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if issubclass(cls, SourceRefused)], ids=lambda cls: cls.__name__
)
def test_a_refused_source_is_422_naming_the_parameter(cls: type[PluginError]) -> None:
    refusal = sample(cls)
    assert isinstance(refusal, SourceRefused)
    error = ApiError.from_refusal(refusal)
    assert (error.code, error.status, error.detail) == (cls.code, HTTPStatus.UNPROCESSABLE_ENTITY, refusal.detail)
    assert error.parameter == ("headers" if cls is HeaderNotAllowed else "url")
    assert error.internal == "for the operator"
    assert error.retry_after is None


def test_a_subclass_of_a_third_party_is_refused_like_its_parent() -> None:
    class OwnHeader(HeaderNotAllowed):
        code = "own_header"
        public_text = "No {name}."

    error = ApiError.from_refusal(OwnHeader(name="x"))
    assert (error.code, error.detail, error.parameter) == ("own_header", "No x.", "headers")
    assert ApiError.from_refusal(DataUrlInvalid(reason="x")).parameter == "url"


def test_the_failures_of_our_own_may_be_shown() -> None:
    for failure in (WORKER_LOST, INTERNAL):
        assert CODE.fullmatch(failure.code)
        assert SENTENCE.fullmatch(failure.detail)
        assert failure.retryable
    assert INTERNAL.code in CATALOGUE


# --- where they are raised --------------------------------------------------------------------------------------------


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call by a plain name in the source: where, the call, the name."""
    for package in (lading.service, lading.plugins, lading.backends):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield f"{package.__name__}/{path.relative_to(root)}:{node.lineno}", node, node.func.id


def facts_of(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg} - {"internal", "retry_after"}


def test_every_error_that_is_made_has_its_facts() -> None:
    by_name = {cls.__name__: cls for cls in CLASSES}
    made = 0
    for place, call, name in calls():
        if name in by_name and not any(keyword.arg is None for keyword in call.keywords):
            made += 1
            assert facts_of(call) == placeholders(by_name[name].public_text), f"{place}: {name}"
    assert made > 40


def test_no_error_that_needs_facts_is_raised_without_a_call() -> None:
    needy = {cls.__name__ for cls in CLASSES if placeholders(cls.public_text)}
    for package in (lading.service, lading.plugins, lading.backends):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                    assert node.exc.id not in needy, f"{path.name}:{node.lineno}"


def test_every_api_error_that_is_made_is_in_the_catalogue_and_has_its_facts() -> None:
    made = set()
    for place, call, name in calls():
        if name == "ApiError":
            (code,) = call.args
            assert isinstance(code, ast.Constant), place
            assert facts_of(call) == placeholders(CATALOGUE[str(code.value)].text), place
            made.add(code.value)
    assert made == set(CATALOGUE), "what nobody raises does not belong into the catalogue"
