"""The models there are: one file each, found by listing the folders, imported only when asked for.

Names match without case and underscores: "SVD" is svd.py, "ItemKnn" is item_knn.py.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from honeyguide import params
from honeyguide.errors import ParameterError

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender


@cache
def names() -> tuple[str, ...]:
    """The public names of all models, in the order of their families' folders."""
    return tuple(_files())


def family(name: str) -> str:
    """The folder a model lies in, such as "factorization"."""
    return _files()[canonical(name)]


def canonical(name: str) -> str:
    """The public name that a spelling stands for; ParameterError, with the nearest ones, where there is none."""
    known = {_plain(n): n for n in _files()}
    if _plain(name) not in known:
        near = [known[n] for n in difflib.get_close_matches(_plain(name), known, n=3)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names())}"
        raise ParameterError(f"there is no model {name!r}; {hint}")
    return known[_plain(name)]


def load(name: str) -> type[Recommender]:
    """The class of a model."""
    name = canonical(name)
    module = importlib.import_module(f"honeyguide.models.{family(name)}.{name}")
    from honeyguide.models.base import Recommender

    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    (cls,) = [c for c in found if issubclass(c, Recommender)]
    return cls


def create(name: str, given: Mapping[str, Any]) -> Recommender:
    """A model by name with the given hyperparameters; texts are parsed as the command line's."""
    cls = load(name)
    return cls(**params.pick(cls, given))


def several(text: str, owner: str) -> dict[str, Recommender]:
    """Models by what is said of each in "ease,als:factors=32:reg=0.1"; ParameterError, naming `owner`, for no list."""
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    if not specs:
        raise ParameterError(f"{owner} must name at least one model, such as bias,svd:factors=50")
    made = {}
    for spec in specs:
        name, *pairs = spec.split(":")
        split = [pair.partition("=") for pair in pairs]
        if not all(equals for _, equals, _ in split):
            raise ParameterError(f"{owner} must give hyperparameters as :name=value, got {spec!r}.")
        made[spec] = create(name, {key: value for key, _, value in split})
    return made


@cache
def _files() -> dict[str, str]:
    """name -> family, by listing the folders beside this file."""
    here = Path(__file__).parent
    paths = sorted(p for p in here.glob("*/*.py") if not p.name.startswith("_"))
    return {path.stem: path.parent.name for path in paths}


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
