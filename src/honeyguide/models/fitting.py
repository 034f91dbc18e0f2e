"""How a fit goes: what is refused before it, epochs under a watcher and a checkpoint, threads of BLAS."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from honeyguide import params
from honeyguide.arrays import AnyArray
from honeyguide.checkpoint import Checkpoint
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.errors import DataError, HoneyguideWarning, MemoryBudgetError
from honeyguide.models import registry
from honeyguide.run import Run, in_units

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

Watch: TypeAlias = Callable[["Recommender", int], bool]


@runtime_checkable
class Resumable(Protocol):
    """A watcher whose state, (plain, arrays), goes into a checkpoint and comes back from it."""

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, AnyArray]]: ...
    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> None: ...


def run_epochs(model: Recommender, epochs: Iterator[None], count: int, run: Run, watch: Watch | None) -> None:
    """Let a model learn in `count` epochs, from where the checkpoint is; the watcher sees it after each of them."""
    kept, done = run.checkpoint, 0
    assert not isinstance(kept, str | Path)
    resumable = watch if isinstance(watch, Resumable) else None
    if kept is not None:
        done = kept.begin(_identity(model, run))
        if done and resumable is not None:
            resumable.restore(*kept.watched)
    with run.track(f"fitting {type(model).__name__}", count) as bar:
        bar.advance(done)
        for epoch, _ in enumerate(epochs, start=done + 1):
            bar.advance()
            say_whether_kept(model, kept)
            if watch is not None and watch(model, epoch):
                break
            if kept is not None and resumable is not None:
                kept.watched = resumable.state()
    if kept is not None:
        kept.finish()
    finish = getattr(watch, "finish", None)
    if finish is not None:
        finish(model)


def say_whether_kept(model: Recommender, kept: Any) -> None:
    """Warn where a checkpoint was asked for and the model has used none."""
    if isinstance(kept, Checkpoint) and not kept.used:
        kept.used = True  # said once
        text = f"{type(model).__name__} keeps no checkpoint: a fit that is killed begins anew; deep models go on"
        warnings.warn(text, HoneyguideWarning, stacklevel=4)


def _identity(model: Recommender, run: Run) -> dict[str, Any]:
    """What is trained, on what and how: a checkpoint of anything else is refused."""
    given = {name: getattr(model, name) for name in params.declarations(type(model))}
    name = registry.canonical(type(model).__name__)
    return {"model": name, "hyperparameters": repr(given), "data": model.fingerprint_, "seed": run.seed}


def admit(model: Recommender, data: Dataset, run: Run) -> None:
    """Refuse illegal hyperparameters, data that the model cannot learn from, and more memory than there is."""
    params.check(model)  # someone may have set one since
    name = type(model).__name__
    if len(data) == 0:
        raise DataError(f"{name} cannot be fitted: the data hold no events")
    if model.task == "rating" and not data.schema.explicit:
        others = ", ".join(n for n in registry.names() if registry.load(n)().task == "ranking")
        raise DataError(f"{name} learns ratings and these data hold none; name them with rating=, or use: {others}")
    rule = data.schema.positive
    if model.task == "ranking" and not rule.mask(data.values).any():
        low, high = data.values.min(), data.values.max()
        raise DataError(
            f"{name} learns from positive events and there are none: positive is {rule.rule!r}, "
            f"values go from {low:g} to {high:g}; choose another rule with positive="
        )
    need = model.memory(data.shape)
    if need > run.budget:
        fitting = [n for n, other in sizes(data.shape).items() if other <= run.budget]
        would = f"these would fit: {', '.join(fitting)}" if fitting else "no model would fit"
        raise MemoryBudgetError(
            f"{name} needs {in_units(need)} for {data.n_users:,} users and {data.n_items:,} items, "
            f"the budget is {in_units(run.budget)} (Run.memory); {would}"
        )


def sizes(shape: Shape) -> dict[str, int]:
    """Bytes that a fit of each model, at its defaults, takes on data of this shape."""
    return {name: registry.load(name)().memory(shape) for name in registry.names()}


def blas_threads(threads: int | None) -> Any:
    """A context in which BLAS uses so many threads; None: as it is."""
    if threads is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads, user_api="blas")
