"""Frozen values that are made quickly.

The ``__init__`` of a frozen dataclass calls ``object.__setattr__`` for each field, and ``dataclasses.replace`` does so
after a look at each field's declaration: for the document of an import, that is more work than all checks of its
parameters. Here a value is open while it is made, an object of a class with the same slots that nothing freezes, and
then becomes one of its own class.
"""

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, replace
from typing import Any, TypeVar

Value = TypeVar("Value")


def quick(cls: type[Value]) -> type[Value]:
    """Decorate a dataclass with ``frozen=True, slots=True``: it stays as it is, and its values are made quickly.

    Those of a class that inherits from it are made as before, unless that class has the decorator too.

    Raises:
        TypeError: the class is no such dataclass, or its values take a step of their own (``__post_init__``).
    """
    parameters: Any = getattr(cls, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__slots__" not in vars(cls) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is no frozen dataclass with slots, or has __post_init__")
    declared = fields(cls)  # type: ignore[arg-type]  # checked above
    opened = type(f"Open{cls.__name__}", (), {"__slots__": [one.name for one in declared]})
    known = {"_open": opened, "_closed": cls, "_set": object.__setattr__, "_missing": MISSING, "_replace": replace}
    known["_slowly"] = cls.__init__
    init = _made("__init__", _init(declared, known), known)
    init.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = init  # type: ignore[method-assign]
    cls._copied = _made("_copied", _copy(declared), known)  # type: ignore[attr-defined]
    return cls


def copied(value: Value, **changes: Any) -> Value:
    """A copy of a value of a ``quick`` class with other values in some fields: as ``dataclasses.replace``, unchecked.

    Raises:
        AttributeError: there is no such field.
    """
    copy: Value = value._copied(changes)  # type: ignore[attr-defined]  # noqa: SLF001  # made above
    return copy


def _init(declared: Sequence["Field[Any]"], known: dict[str, Any]) -> str:
    """The text of ``__init__``. What it refers to is added to ``known``."""
    parameters, filled = ["self"], []
    for one in declared:
        name, default = one.name, f"_of_{one.name}"
        if one.default_factory is not MISSING:
            known[default] = one.default_factory
            parameters.append(f"{name}=_missing")
            filled.append(f"if {name} is _missing: {name} = {default}()")
        elif one.default is not MISSING:
            known[default] = one.default
            parameters.append(f"{name}={default}")
        else:
            parameters.append(name)
    names = [one.name for one in declared]
    return _text(
        f"def __init__({', '.join(parameters)}):",
        *filled,
        f"if self.__class__ is not _closed: return _slowly({', '.join(['self', *names])})",
        "_set(self, '__class__', _open)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = _closed",
    )


def _copy(declared: Sequence["Field[Any]"]) -> str:
    """The text of ``_copied``."""
    return _text(
        "def _copied(self, changes):",
        "if self.__class__ is not _closed: return _replace(self, **changes)",
        "new = _open()",
        *(f"new.{one.name} = self.{one.name}" for one in declared),
        "for name, value in changes.items(): setattr(new, name, value)",
        "new.__class__ = _closed",
        "return new",
    )


def _text(head: str, *body: str) -> str:
    return "\n    ".join((head, *body))


def _made(name: str, text: str, known: dict[str, Any]) -> Any:
    """A function whose text was written here, as the dataclasses of Python write theirs."""
    exec(text, known)  # noqa: S102  # made of the names of fields alone
    return known[name]
