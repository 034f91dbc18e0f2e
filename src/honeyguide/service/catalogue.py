"""The models there are, built from what a person typed; what a model file holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from honeyguide import artifact, params
from honeyguide.data.dataset import Shape
from honeyguide.errors import ParameterError
from honeyguide.models import registry
from honeyguide.models.base import Recommender
from honeyguide.models.fitting import sizes
from honeyguide.models.stored import open_model


def memory(shape: Shape) -> Mapping[str, int]:
    """Bytes that a fit of each model takes on data of this shape; for `check`."""
    return sizes(shape)


def describe_models(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Name, family, task, summary and hyperparameters of models; of all by default."""
    about = []
    for name in map(registry.canonical, names or registry.names()):
        cls = registry.load(name)
        module = sys.modules[cls.__module__]
        about.append(
            {
                "name": name,
                "class": cls.__name__,
                "family": registry.family(name),
                "task": cls().task,
                "fold_in": cls().fold_in,
                "summary": (module.__doc__ or "").split("\n\n")[0].replace("\n", " "),
                "hyperparameters": [
                    {"name": d.name, "default": d.default, "rule": d.rule, "tune": d.tune, "help": d.help}
                    for d in params.declarations(cls).values()
                ],
            }
        )
    return about


def build(names: Sequence[str], given: Mapping[str, str]) -> dict[str, Recommender]:
    """Models by name; a hyperparameter "reg" goes to each that has it, "ease.reg" to one alone."""
    wanted = list(dict.fromkeys(registry.canonical(name.strip()) for name in names if name.strip()))
    if not wanted:
        raise ParameterError("name at least one model, such as popular,ease")
    own = {name: set(params.declarations(registry.load(name))) for name in wanted}
    settings: dict[str, dict[str, str]] = {name: {} for name in wanted}
    for key, value in given.items():
        model, dot, parameter = key.rpartition(".")
        able = [registry.canonical(model)] if dot else [name for name in wanted if parameter in own[name]]
        if not able or able[0] not in settings:
            raise ParameterError(f"none of {', '.join(wanted)} has the hyperparameter {key!r}")
        for name in able:
            settings[name][parameter] = value
    return {name: registry.create(name, settings[name]) for name in wanted}


def verify(path: str | Path) -> dict[str, Any]:
    """What a model file holds, after every array was checked against its digest; ArtifactError for a damaged one."""
    model = open_model(path, verify=True)
    header = artifact.read(path).header
    return {
        "file": f"{path}: whole",
        "model": header["model"],
        "hyperparameters": header["hyperparameters"],
        "users": len(model.schema_.users),
        "items": len(model.schema_.items),
        "histories": header["histories"],
        "positive": model.schema_.positive.rule,
        "data": header["fingerprint"],
        "versions": header["versions"],
    }
