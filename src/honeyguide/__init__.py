"""Honeyguide: a recommender system. A profile goes in, a ranked list comes out.

Every public name is imported when first used, so that `import honeyguide` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from honeyguide import models as models
    from honeyguide.data.read import read as read
    from honeyguide.models.base import Recommender as Recommender
    from honeyguide.models.stored import open_model as open  # noqa: F401
    from honeyguide.run import Run as Run

_PUBLIC = {
    "Run": "honeyguide.run:Run",
    "Recommender": "honeyguide.models.base:Recommender",
    "models": "honeyguide.models:",
    "open": "honeyguide.models.stored:open_model",
    "read": "honeyguide.data.read:read",
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
