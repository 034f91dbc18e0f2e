"""Stacked regression: a linear blend of rating models, weighed on ratings that they were not trained on.

(Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; Breiman 1996, doi:10.1007/BF00117832.) Fit: each model `folds` + 1
times, one after the other. Memory: that of the largest fit, and what all keep. A rating takes as long as all models'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import ParameterError
from honeyguide.models import registry
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_PAIRS = 1 << 16  # ratings asked for at once


@dataclass(kw_only=True, eq=False)
class Blend(Recommender):
    """Rate by intercept + sum over models m of weight_m rating_m, the ratings being clipped to the scale.

    The events are dealt into `folds` parts at random; each model rates each part, trained on the others. Of all these
    ratings the weights are the ridge regression, its penalty `reg` a rating pulling them to 1 / the number of models.
    Then each model is fitted on all events. `models` are names, each with hyperparameters where they are not the
    defaults: "bias,svd:factors=50,rating_knn:kind=centred".
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "W"}

    models: str = param("bias,mf", help="names of rating models, each with :parameter=value")
    folds: int = param(5, low=2, help="parts that weights are found on")
    reg: float = param(1e-3, low=0.0, help="L2 weight on what weights differ from equal ones, for each rating")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._made()

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact where each of the models is."""
        return "exact" if all(model.fold_in == "exact" for model in self._made()) else "approximate"

    def _made(self) -> list[Recommender]:
        """The models, not fitted; ParameterError where they are none that rate."""
        made = registry.several(self.models, "Blend.models")
        for spec, model in made.items():
            if model.task != "rating":
                raise ParameterError(f"Blend.models must be models that rate, got {spec!r}.")
        return list(made.values())

    def _fit(self, data: Dataset, run: Run) -> None:
        made, kept = self._made(), data.take(np.sort(data.by_user[0][data.profiles().latest()]))
        quiet = replace(run, progress=False)
        fold = run.rng().permutation(len(kept)) % self.folds
        rated: DoubleArray = np.empty((len(kept), len(made)))
        if len(kept) >= self.folds:
            for column, model in enumerate(made):
                for part in range(self.folds):
                    held = fold == part
                    fitted = replace(model).fit(kept.take(~held), run=quiet)
                    rated[held, column] = fitted.predict(kept.take(held))["prediction"].to_numpy()
            self.weights_ = _regressed(rated, kept.values.astype(np.float64), self.reg)
        else:
            self.weights_ = np.concatenate([[0.0], np.full(len(made), 1.0 / len(made))])
        self.members_ = tuple(model.fit(data, run=quiet) for model in made)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        low, high = self.schema_.scale or (-np.inf, np.inf)
        total: DoubleArray = np.full(len(pairs), float(self.weights_[0]))
        for weight, model in zip(self.weights_[1:], self.members_, strict=True):
            total += weight * np.clip(model.rate(profiles, pairs), low, high)
        return total.astype(np.float32)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        codes = np.arange(len(self.schema_.items), dtype=np.int32) if items is None else items
        out: FloatArray = np.empty((len(profiles), len(codes)), np.float32)
        step = max(1, _PAIRS // max(1, len(codes)))
        for first in range(0, len(profiles), step):
            part = profiles.take(slice(first, first + step))
            rows = np.repeat(np.arange(len(part), dtype=np.int32), len(codes))
            times = None if part.at is None else part.at[rows]
            rated = self.rate(part, Pairs(rows, np.tile(codes, len(part)).astype(np.int32), times))
            out[first : first + step] = rated.reshape(len(part), len(codes))
        return out

    def memory(self, shape: Shape) -> int:
        needs = [model.memory(shape) for model in self._made()]
        return max(needs) + 40 * shape.events + 8 * shape.events * len(needs)


def _regressed(rated: DoubleArray, truth: DoubleArray, reg: float) -> DoubleArray:
    """(1 + M,) intercept b and weights w of the least |truth - b - rated w|^2 / N + reg |w - 1 / M|^2, rated (N, M)."""
    count, models = rated.shape
    equal = np.full(models, 1.0 / models)
    means, mean = rated.mean(axis=0), truth.mean()
    centred = rated - means
    gram = centred.T @ centred / count + reg * np.eye(models)
    weights = np.linalg.lstsq(gram, centred.T @ (truth - mean) / count + reg * equal, rcond=None)[0]
    return np.concatenate([[mean - means @ weights], weights])
