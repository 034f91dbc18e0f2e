"""The models, by class name: `hg.models.Ease(reg=200)`. Each is imported when first named."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if not name[:1].isupper():  # a module of this folder, which the import system finds by itself
        raise AttributeError(f"module 'honeyguide.models' has no attribute {name!r}")
    from honeyguide.errors import ParameterError
    from honeyguide.models import registry

    try:
        return registry.load(name)
    except ParameterError as error:
        raise AttributeError(str(error)) from None


def __dir__() -> list[str]:
    from honeyguide.models import registry

    return [registry.load(name).__name__ for name in registry.names()]
