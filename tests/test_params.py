"""Hyperparameters declared once: legal values, parsing, error text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from honeyguide.errors import ParameterError
from honeyguide.params import check, declarations, param, pick


@dataclass
class Model:
    reg: float = param(1.0, low=0.1, high=9.0, help="weight")
    hidden: tuple[int, ...] = param((8, 4), low=1, help="layers")
    solver: Literal["als", "sgd"] = param("als", help="method")
    biases: bool = param(True, help="with biases")
    limit: int | None = param(None, low=1, help="at most")
    negatives: int | Literal["all"] = param(4, low=1, help="per positive")


def test_declarations_keep_order_and_kind() -> None:
    kinds = {name: declared.kind for name, declared in declarations(Model).items()}
    assert kinds == {"reg": float, "hidden": tuple, "solver": str, "biases": bool, "limit": int, "negatives": int}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reg": 0.0}, "Model.reg must be a number from 0.1 to 9, got 0.0."),
        ({"reg": float("nan")}, "Model.reg must be a number from 0.1 to 9, got nan."),
        ({"reg": "1"}, "Model.reg must be a number from 0.1 to 9, got '1'."),
        ({"hidden": (8, 0)}, "Model.hidden must be integers >= 1, got (8, 0)."),
        ({"hidden": [8]}, "Model.hidden must be integers >= 1, got [8]."),
        ({"solver": "adam"}, "Model.solver must be one of 'als', 'sgd', got 'adam'."),
        ({"biases": 1}, "Model.biases must be true or false, got 1."),
        ({"limit": 0}, "Model.limit must be an integer >= 1, got 0."),
        ({"negatives": 0}, "Model.negatives must be an integer >= 1 or 'all', got 0."),
        ({"negatives": "some"}, "Model.negatives must be an integer >= 1 or 'all', got 'some'."),
    ],
)
def test_illegal_values_are_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check(Model(**given))  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("reg", "2", 2.0),
        ("hidden", "64,32", (64, 32)),
        ("hidden", "(64,)", (64,)),
        ("biases", "no", False),
        ("limit", "none", None),
        ("limit", "3", 3),
        ("solver", "sgd", "sgd"),
        ("negatives", "all", "all"),
        ("negatives", "7", 7),
    ],
)
def test_texts_are_parsed(name: str, text: str, value: object) -> None:
    assert pick(Model, {name: text}) == {name: value}


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ParameterError, match="Model has no hyperparameter 'rge'; it has: reg, hidden"):
        pick(Model, {"rge": 1})
    with pytest.raises(ParameterError, match="reg must be a number from 0.1 to 9, got 'much'"):
        pick(Model, {"reg": "much"})


def test_scalars_of_numpy_become_pythons_own() -> None:
    model = Model(reg=np.float32(0.5), limit=np.int64(3), biases=np.bool_(False))  # type: ignore[arg-type]
    check(model)
    assert [type(value) for value in (model.reg, model.limit, model.biases)] == [float, int, bool]
    with pytest.raises(ParameterError, match=r"Model.limit must be an integer >= 1, got 0\.$"):
        check(Model(limit=np.int64(0)))  # type: ignore[arg-type]
