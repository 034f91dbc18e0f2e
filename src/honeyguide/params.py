"""A hyperparameter is declared once, in its line of the model's class; everything else is derived from that line.

    reg: float = param(500.0, low=1e-3, tune=(1e1, 1e4, "log"), help="L2 weight on the item-item matrix")

`declarations(cls)` reads them back for the constructor's check, the tuner, the command line and the reference.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from honeyguide.errors import ParameterError

Tune: TypeAlias = tuple[float, float] | tuple[float, float, Literal["log"]] | Sequence[Any] | None
_KEY = "honeyguide"


@dataclasses.dataclass(frozen=True)
class Declaration:
    """One hyperparameter: its type, default, legal values and the range that a search tries.

    `choices` are the names of a `Literal`: the only legal values, or legal beside a number: `int | Literal["all"]`.
    """

    name: str
    type: Any
    default: Any
    low: float | None
    high: float | None
    choices: tuple[Any, ...] | None
    tune: Tune
    help: str

    @property
    def optional(self) -> bool:
        """Whether None is a legal value."""
        return type(None) in get_args(self.type)

    @property
    def kind(self) -> Any:
        """The type without None and names: int, float, bool, str, or tuple for `tuple[int, ...]`."""
        parts = get_args(self.type) if get_origin(self.type) in (Union, types.UnionType) else (self.type,)
        plain = [t for t in parts if t is not type(None) and get_origin(t) is not Literal]
        return (get_origin(plain[0]) or plain[0]) if plain else str

    @property
    def rule(self) -> str:
        """The legal values in words, as error messages and the reference print them."""
        names = ", ".join(repr(c) for c in self.choices or ())
        if self.kind is str and names:
            return f"one of {names}"
        what = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}.get(self.kind, "integers")
        if self.low is not None and self.high is not None:
            what += f" from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            what += f" >= {self.low:g}"
        elif self.high is not None:
            what += f" <= {self.high:g}"
        return f"{what} or {names}" if names else what

    def fault(self, value: Any) -> bool:
        """Whether the value breaks the rule."""
        if value is None:
            return not self.optional
        if isinstance(value, str):
            return self.kind is not str if self.choices is None else value not in self.choices
        if self.kind is tuple:
            if not isinstance(value, tuple):
                return True
            return any(isinstance(v, bool) or not isinstance(v, int) or self._outside(v) for v in value)
        if self.kind is bool or self.kind is str:
            return not isinstance(value, self.kind)
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else (int, float)):
            return True
        return self._outside(value)

    def _outside(self, value: float) -> bool:
        low = self.low is not None and value < self.low
        high = self.high is not None and value > self.high
        return not math.isfinite(value) or low or high

    def parse(self, text: str) -> Any:
        """The value that a command-line text stands for; ParameterError where it is not of the type."""
        try:
            if self.optional and text.lower() == "none":
                return None
            if self.choices is not None and text in self.choices:
                return text
            if self.kind is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            if self.kind is tuple:
                return tuple(int(part) for part in text.replace("(", "").replace(")", "").split(",") if part.strip())
            return self.kind(text)
        except (ValueError, KeyError):
            raise ParameterError(f"{self.name} must be {self.rule}, got {text!r}.") from None


def param(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    tune: Tune = None,
    help: str,
) -> Any:
    """Declare a hyperparameter of a model; its legal names, if it has any, are the `Literal` of its annotation.

    `low` and `high` are inclusive. `tune` is (low, high), (low, high, "log"), or a list of values to try; without it
    the tuner leaves the parameter at its default.
    """
    about = {"low": low, "high": high, "tune": tune, "help": help}
    return dataclasses.field(default=default, metadata={_KEY: about})


def declarations(cls: type) -> dict[str, Declaration]:
    """The hyperparameters of a model class, by name, in the order written."""
    hints = get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        about: Mapping[str, Any] | None = field.metadata.get(_KEY)
        if about is None:
            continue
        hint = hints[field.name]
        literal = [t for t in (hint, *get_args(hint)) if get_origin(t) is Literal]
        choices = get_args(literal[0]) if literal else None
        found[field.name] = Declaration(
            name=field.name, type=hint, default=field.default, choices=choices,
            low=about["low"], high=about["high"], tune=about["tune"], help=about["help"],
        )  # fmt: skip
    return found


def check(model: object) -> None:
    """Raise ParameterError for the first hyperparameter of the model that breaks its rule.

    Scalars of NumPy, as a grid of values gives them, become Python's own in the model.
    """
    for name, declared in declarations(type(model)).items():
        value = getattr(model, name)
        if getattr(value, "shape", None) == ():
            value = value.item()
            setattr(model, name, value)
        if declared.fault(value):
            raise ParameterError(f"{type(model).__name__}.{name} must be {declared.rule}, got {value!r}.")


def pick(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given hyperparameters, texts parsed; ParameterError for a name that the model does not have."""
    known = declarations(cls)
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ParameterError(f"{cls.__name__} has no hyperparameter {name!r}; it has: {listed}.")
    return {n: known[n].parse(v) if isinstance(v, str) and known[n].kind is not str else v for n, v in given.items()}


def at_least_one(name: str, value: Any) -> None:
    """ParameterError where an argument, such as the length of a list, is no integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ParameterError(f"{name} must be an integer >= 1, got {value!r}.")
