"""Options as text against their model: every fault, and never a value."""

from typing import Annotated, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, Secret, SecretStr, model_validator

from lading.plugins.host.validation import OptionFault, OptionsRejected, did_you_mean, option_names, validate_options
from lading.plugins.options import CommaSeparated, Names, PluginOptions


def _never(value: object) -> object:
    raise ValueError(f"cannot use {value}")


class Options(PluginOptions):
    port: int = Field(80, ge=1)
    names: Annotated[Names, Field(max_length=2)] = ()
    key: SecretStr | None = None
    from_: str = Field("x", alias="from")


class Chatty(BaseModel):
    secret: Annotated[Secret[str], AfterValidator(lambda value: _never(value.get_secret_value()))]


class ChattyAsAWhole(BaseModel):
    secret: SecretStr

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise ValueError(f"{self.secret.get_secret_value()} does not fit")


class Ports(PluginOptions):
    ports: Annotated[tuple[int, ...], CommaSeparated] = ()


def faults_of(model: type[BaseModel], raw: dict[str, str]) -> tuple[OptionFault, ...]:
    with pytest.raises(OptionsRejected) as caught:
        validate_options(model, raw)
    assert caught.value.__context__ is None, "pydantic's own error would carry the values"
    return caught.value.faults


def test_text_becomes_typed_values() -> None:
    options = validate_options(Options, {"port": "8080", "names": "a, b", "key": "k", "from": "y"})
    assert (options.port, options.names, options.from_) == (8080, ("a", "b"), "y")


def test_options_are_named_as_they_are_written() -> None:
    assert option_names(Options) == ("port", "names", "key", "from")


def test_faults_come_all_at_once() -> None:
    faults = faults_of(Options, {"port": "0", "names": "a,b,c", "prot": "1"})
    assert [fault.option for fault in faults] == ["port", "names", "prot"]
    assert str(faults[2]) == "prot: is not a known option; did you mean 'port'?"


def test_a_fault_in_a_list_names_the_item() -> None:
    (fault,) = faults_of(Ports, {"ports": "80, x"})
    assert fault.problem.startswith("item 2: ")


@pytest.mark.parametrize("model", [Chatty, ChattyAsAWhole])
def test_a_validator_that_repeats_a_secret_is_silenced(model: type[BaseModel]) -> None:
    (fault,) = faults_of(model, {"secret": "hunter22"})
    assert "hunter22" not in str(fault)
    assert "is not acceptable" in fault.problem


@given(st.text(min_size=4))
def test_no_fault_repeats_a_value(value: str) -> None:
    value = f"<{value}>"
    rejected = faults_of(Options, {"port": value})
    assert value not in str(OptionsRejected(rejected))


@pytest.mark.parametrize(
    ("name", "clause"), [("Prot", "; did you mean 'port'?"), ("PORT", "; did you mean 'port'?"), ("zzz", "")]
)
def test_the_closest_name_is_suggested(name: str, clause: str) -> None:
    assert did_you_mean(name, ["names", "port"]) == clause
