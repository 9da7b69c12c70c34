"""Values of ``quick`` classes are those of frozen dataclasses in all but the time that it takes to make them."""

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from lading.plugins.contracts import Source
from lading.plugins.contracts.quick import copied, quick
from lading.service.models import Import


@dataclass(frozen=True, slots=True)
class Base:
    name: str
    secret: str = field(default="none", repr=False)
    facts: Mapping[str, int] = field(default_factory=dict, hash=False)


@quick
@dataclass(frozen=True, slots=True)
class Quick(Base):
    """With methods alone."""

    def loud(self) -> str:
        return self.name.upper()


class Loose(Quick):
    """With an attribute of its own, and a ``__dict__`` for it."""

    more = 1


def test_it_is_made_as_its_declaration_says() -> None:
    value = Quick("a")
    assert (value.name, value.secret, value.facts) == ("a", "none", {})
    assert Quick("a").facts is not value.facts
    assert Quick(name="a", facts={"b": 1}, secret="c") == Quick("a", "c", {"b": 1})
    assert type(value) is Quick
    assert value.loud() == "A"
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Quick("a", other=1)  # type: ignore[call-arg]


def test_it_is_frozen_and_has_nothing_but_its_fields() -> None:
    for value in (Quick("a"), copied(Quick("a"), name="b")):
        with pytest.raises(FrozenInstanceError):
            value.name = "c"  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del value.name
        with pytest.raises((AttributeError, TypeError)):
            value.other = 1  # type: ignore[attr-defined]


def test_it_compares_shows_and_travels_as_before() -> None:
    value = Quick("a", "s", {"b": 1})
    assert value == Quick("a", "s", {"b": 1}) != Quick("b", "s", {"b": 1})
    assert hash(value) == hash(Quick("a", "s", {"c": 1}))
    assert repr(value) == "Quick(name='a', facts={'b': 1})"
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == copy.copy(value) == value
    assert asdict(value) == {"name": "a", "secret": "s", "facts": {"b": 1}}
    assert [one.name for one in fields(Quick)] == ["name", "secret", "facts"]


@pytest.mark.parametrize("made", [copied, replace])
def test_a_copy_has_other_values_in_some_fields(made: Callable[..., Quick]) -> None:
    value = Quick("a", "s")
    other = made(value, secret="t", name="b")
    assert (other, value, type(other)) == (Quick("b", "t"), Quick("a", "s"), Quick)


def test_a_copy_has_no_field_that_the_class_has_not() -> None:
    with pytest.raises(AttributeError, match="nmae"):
        copied(Quick("a"), nmae="b")


def test_a_class_that_inherits_without_the_decorator_is_made_as_before() -> None:
    value = Loose("a", facts={"b": 1})
    assert (type(value), value.facts, value.more) == (Loose, {"b": 1}, 1)
    assert type(copied(value, name="b")) is Loose
    assert Loose("a").facts == {}
    with pytest.raises(FrozenInstanceError):
        value.name = "c"  # type: ignore[misc]


def test_other_classes_are_refused() -> None:
    class Plain:
        pass

    @dataclass(slots=True)
    class Open:
        name: str

    @dataclass(frozen=True)
    class Loose:
        name: str

    @dataclass(frozen=True, slots=True)
    class Judging:
        name: str

        def __post_init__(self) -> None:
            pass

    for cls in (Plain, Open, Loose, Judging):
        with pytest.raises(TypeError, match=cls.__name__):
            quick(cls)


def test_no_secret_shows() -> None:
    assert "hush" not in repr(copied(Source("http://origin.example/?key=hush"), headers={"a": "hush"}))
    hidden = {one.name for one in fields(Import) if not one.repr}
    assert {"params", "sealed"} <= hidden
