"""Search over the declared ranges of a model's hyperparameters (Optuna): by validation, resumable, pruned by epoch.

A trial fits the model on the training part and measures it on the validation part; an iterative model is measured after
each epoch, given up when it is behind the median of the trials before it, and judged by its best epoch. Cost: one fit a
trial.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from honeyguide import params
from honeyguide.data.dataset import Dataset
from honeyguide.errors import HoneyguideError, MissingPackageError, ParameterError, WriteError
from honeyguide.evaluate import early_stopping, evaluate
from honeyguide.metrics import metric as metric_named
from honeyguide.models import registry
from honeyguide.models.base import Iterative, Recommender
from honeyguide.run import Run

_PATIENCE = 5  # epochs without a better value that end a trial
_Parts = tuple[Dataset, Dataset, Dataset | None]  # train, validation, history
_ENDS = ("complete", "pruned", "failed")  # states of trials that count; one stopped by Ctrl-C is made up for


@dataclass(frozen=True)
class Tuned:
    """What a search found: the best hyperparameters, their value, and every trial as a table.

    trials    number, state ("complete", "pruned", "failed", "stopped"), value, epochs, and a column a hyperparameter
    """

    model: str
    metric: str
    value: float
    hyperparameters: Mapping[str, Any]
    trials: pl.DataFrame

    @property
    def descending(self) -> bool:
        """Whether higher values of the metric are better."""
        return metric_named(self.metric).better == "higher"

    def build(self) -> Recommender:
        """The model, unfitted, with what was found."""
        return registry.create(self.model, self.hyperparameters)


def tune(
    model: str,
    train: Dataset,
    validation: Dataset,
    *,
    history: Dataset | None = None,
    trials: int = 50,
    metric: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    study: str | Path | None = None,
    run: Run | None = None,
) -> Tuned:
    """Search the declared ranges of a model for the best `metric` on validation (rmse or ndcg@10, as its task says).

    history  what models are shown of people they are not trained on: `Split.history`
    fixed    hyperparameters not to search
    study    a file that keeps the trials: the same call goes on where an earlier one stopped, up to `trials` in all

    ParameterError where nothing is left to search; MissingPackageError without Optuna.
    """
    run, fixed = run or Run(), params.pick(registry.load(model), fixed or {})
    name = registry.canonical(model)
    if trials < 1:
        raise ParameterError(f"trials must be an integer >= 1, got {trials}.")
    asked = metric_named(metric or ("rmse" if registry.create(name, fixed).task == "rating" else "ndcg@10"))
    ranges = {
        n: d for n, d in params.declarations(registry.load(name)).items() if d.tune is not None and n not in fixed
    }
    if not ranges:
        raise ParameterError(f"{name} declares no range to search" + (" besides the fixed ones" if fixed else ""))
    sought = {
        "metric": asked.name,
        "fixed": repr(fixed),
        "train": train.fingerprint,
        "validation": validation.fingerprint,
        "history": "" if history is None else history.fingerprint,
    }
    parts = train, validation, history
    search = _study(name, asked.better, sought, study, run)
    done = sum(_state(trial) in _ENDS for trial in search.trials)

    def objective(trial: Any) -> float:
        given = {**fixed, **{n: _suggest(trial, declared) for n, declared in ranges.items()}}
        try:
            return _try(trial, registry.create(name, given), parts, asked.name, run)
        except KeyboardInterrupt:
            trial.set_user_attr("stopped", True)
            raise

    with run.track(f"tuning {name}", trials) as bar:
        bar.advance(done)

        def tick(study: Any, trial: Any) -> None:
            bar.note(f"best {asked.name} {_best(study):.4f}")
            bar.advance()

        try:
            search.optimize(objective, n_trials=max(0, trials - done), catch=(HoneyguideError,), callbacks=[tick])
        except OSError as error:
            raise WriteError(f"cannot write {study}: {error.strerror or error}; the trials before are kept") from error
    return _tuned(search, name, asked.name, fixed)


def _try(trial: Any, model: Recommender, parts: _Parts, metric: str, run: Run) -> float:
    """Fit and measure one set of hyperparameters; TrialPruned for one that falls behind."""
    import optuna

    train, validation, shown = parts
    quiet = Run(seed=run.seed, threads=run.threads, backend=run.backend, memory=run.memory, progress=False)
    if not isinstance(model, Iterative):
        fitted = model.fit(train, run=quiet)
        found = evaluate({"it": fitted}, train, validation, history=shown, metrics=[metric], resamples=0, run=quiet)
        return found.value("it", metric)
    watch = early_stopping(
        train, validation, history=shown, metric=metric, patience=_PATIENCE, seed=run.seed, run=quiet
    )

    def look(now: Recommender, epoch: int) -> bool:
        stop = watch(now, epoch)
        trial.report(watch.history[-1], epoch)
        if not stop and trial.should_prune():
            raise optuna.TrialPruned
        return stop

    model.fit(train, run=quiet, watch=look)
    trial.set_user_attr("epochs", watch.best_epoch)
    return watch.best


def _suggest(trial: Any, declared: params.Declaration) -> Any:
    """A value from the declared range: (low, high), (low, high, "log"), or a list of values."""
    spec = declared.tune
    assert spec is not None
    if isinstance(spec, list):
        at = trial.suggest_categorical(declared.name, [str(value) for value in spec])
        return next(value for value in spec if str(value) == at)
    low, high, *log = spec
    if declared.kind is int:
        return trial.suggest_int(declared.name, int(low), int(high), log=bool(log))
    return trial.suggest_float(declared.name, float(low), float(high), log=bool(log))


def _study(name: str, better: str, sought: Mapping[str, str], path: str | Path | None, run: Run) -> Any:
    """The Optuna study, in memory or in a journal file that a later call goes on with."""
    try:
        import optuna
    except ImportError:
        raise MissingPackageError("optuna", "tune", "tuning") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = "maximize" if better == "higher" else "minimize"
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
    storage = None if path is None else _journal(path)
    study = optuna.create_study(
        study_name=name, storage=storage, direction=direction, pruner=pruner, load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=run.seed),
    )  # fmt: skip
    for key, value in sought.items():
        if study.user_attrs.get(key, value) != value:
            what = {"metric": "by another metric", "fixed": "with other fixed hyperparameters"}.get(
                key, "on other data"
            )
            raise ParameterError(
                f"study must go on as it began, and {path} has trials of {name} {what}; name a new file."
            )
        study.set_user_attr(key, value)
    if study.trials:  # a resumed search must not repeat the draws it began with
        study.sampler = optuna.samplers.TPESampler(seed=run.seed + len(study.trials))
    return study


def _journal(path: str | Path) -> Any:
    """The storage of a file that an earlier search wrote, or of a new one; ParameterError for any other file."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    place = Path(path)
    if not place.absolute().parent.is_dir():
        raise ParameterError(f"study must be a file in a folder that exists, got {str(path)!r}.")
    try:
        first = _first_line(place)
        if first:
            if "op_code" not in json.loads(first):
                raise ValueError
            _mend(place)
        return JournalStorage(JournalFileBackend(str(place)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        rule = "study must be a new file or one that an earlier search wrote"
        raise ParameterError(f"{rule}, got {str(path)!r}.") from None


def _first_line(path: Path) -> bytes:
    if not path.exists():
        return b""
    with open(path, "rb") as file:
        return file.readline(1 << 16)


def _mend(journal: Path) -> None:
    """Take off a last line that a process killed just then left unfinished: what is added to it cannot be read."""
    with open(journal, "rb+") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rindex(b"\n") + 1)


def _state(trial: Any) -> str:
    """How a trial ended; "stopped" where Ctrl-C or the end of the process came before its own."""
    if "stopped" in trial.user_attrs:
        return "stopped"
    return {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}.get(trial.state.name, "stopped")


def _best(study: Any) -> float:
    return float(study.best_value) if any(t.state.name == "COMPLETE" for t in study.trials) else math.nan


def _tuned(study: Any, name: str, metric: str, fixed: Mapping[str, Any]) -> Tuned:
    """The outcome of a study; HoneyguideError where no trial came to its end."""
    if math.isnan(_best(study)):
        raise HoneyguideError(f"no trial of {name} came to its end; {len(study.trials)} were pruned or failed")
    declared = params.declarations(registry.load(name))

    def value(of: str, drawn: Any) -> Any:
        return drawn if not isinstance(drawn, str) else next(v for v in declared[of].tune if str(v) == drawn)  # type: ignore[union-attr]

    best = study.best_trial
    found = {**fixed, **{n: value(n, drawn) for n, drawn in best.params.items()}}
    if "epochs" in best.user_attrs:
        found["epochs"] = best.user_attrs["epochs"]
    rows = [
        {
            "number": trial.number,
            "state": _state(trial),
            "value": trial.value,
            "epochs": trial.user_attrs.get("epochs"),
            **{n: str(v) if isinstance(v, str) else v for n, v in trial.params.items()},
        }
        for trial in study.trials
    ]
    return Tuned(name, metric, float(study.best_value), found, pl.DataFrame(rows, infer_schema_length=None))
