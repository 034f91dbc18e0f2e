"""Honeyguide: a recommender system. A profile goes in, a ranked list comes out.

Every public name is imported when first used, so that `import honeyguide` itself costs next to nothing.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from honeyguide import models as models
    from honeyguide import rerank as rerank
    from honeyguide.data.check import check as check
    from honeyguide.data.read import read as read
    from honeyguide.data.sources import load as load
    from honeyguide.evaluate import early_stopping as early_stopping
    from honeyguide.evaluate import evaluate as evaluate
    from honeyguide.evaluate import exposure as exposure
    from honeyguide.evaluate import fit_early as fit_early
    from honeyguide.explain import explain as explain
    from honeyguide.explain.fidelity import fidelity as fidelity
    from honeyguide.models.base import Recommender as Recommender
    from honeyguide.models.stored import open_model as open  # noqa: F401
    from honeyguide.run import Run as Run
    from honeyguide.split import k_fold as k_fold
    from honeyguide.split import split as split
    from honeyguide.tune import tune as tune

_PUBLIC = {
    "check": "honeyguide.data.check:check",
    "early_stopping": "honeyguide.evaluate:early_stopping",
    "evaluate": "honeyguide.evaluate:evaluate",
    "exposure": "honeyguide.evaluate:exposure",
    "explain": "honeyguide.explain:explain",
    "fidelity": "honeyguide.explain.fidelity:fidelity",
    "fit_early": "honeyguide.evaluate:fit_early",
    "k_fold": "honeyguide.split:k_fold",
    "load": "honeyguide.data.sources:load",
    "split": "honeyguide.split:split",
    "tune": "honeyguide.tune:tune",
    "Run": "honeyguide.run:Run",
    "Recommender": "honeyguide.models.base:Recommender",
    "models": "honeyguide.models:",
    "open": "honeyguide.models.stored:open_model",
    "read": "honeyguide.data.read:read",
    "rerank": "honeyguide.rerank:",
}
__all__ = ["__version__", "model", *_PUBLIC]


def model(name: str, **hyperparameters: Any) -> Recommender:
    """A model by name, such as `model("ease", reg=200)`; case and underscores in the name do not matter."""
    from honeyguide.models import registry

    return registry.create(name, hyperparameters)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'honeyguide' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """`hg.split` is the function and not the module of that name, in whatever order the two are imported.

    The import system sets a module as an attribute of its package; a property stands before attributes.
    """


def _function(name: str, _: ModuleType) -> Any:
    return __getattr__(name)


def _ignore(_: ModuleType, module: ModuleType) -> None:
    """Do not let the import system set the module."""


for _name, _place in _PUBLIC.items():
    if _place == f"honeyguide.{_name}:{_name}":
        setattr(_Package, _name, property(partial(_function, _name), _ignore))
sys.modules[__name__].__class__ = _Package
