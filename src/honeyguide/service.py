"""All that the command line and the server call: texts and raw ids in, ids and tables out.

train      fit one model            compare   fit several, choose by validation, measure on test, refit the winner
items_of   what a person typed (ids or titles) → ids            write_lists   everybody's list, streamed to a file
"""

from __future__ import annotations

import difflib
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from honeyguide import artifact, params
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.vocabulary import Id
from honeyguide.errors import ParameterError, UnknownIdError
from honeyguide.evaluate import Evaluation, early_stopping, evaluate
from honeyguide.evaluate.measure import USUAL
from honeyguide.files import check_out, whole
from honeyguide.metrics import metric as metric_named
from honeyguide.models import registry
from honeyguide.models.base import Iterative, Recommender, sizes
from honeyguide.models.stored import open_model
from honeyguide.run import Run
from honeyguide.split import Split, split

TABLES = (".parquet", ".csv", ".jsonl")  # the files that tables are written to
_TYPES: dict[str, type[pl.DataType]] = {"integer": pl.Int64, "string": pl.String}


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


def measure(model: Recommender, parts: Split, *, metric: str, run: Run) -> float:
    """Fit a model on the training part and measure it on the test part."""
    sit = functools.partial(evaluate, history=parts.history, metrics=[metric], resamples=0, run=run)
    return sit({"it": model.fit(parts.train, run=run)}, parts.train, parts.test).value("it", metric)


# ---- comparing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several models fitted on one training part, chosen by its validation part, measured on its test part."""

    data: Dataset
    parts: Split
    fitted: Mapping[str, Recommender]
    validation: Evaluation
    test: Evaluation
    run: Run

    def best(self, metric: str) -> str:
        """The model that is best on the validation part."""
        return self.validation.best(metric)

    def refit(self, name: str) -> Recommender:
        """The model fitted anew on all data, for as many epochs as validation chose."""
        return replace(self.fitted[name]).fit(self.data, run=self.run)


def compare(
    data: Dataset,
    models: Mapping[str, Recommender],
    *,
    kind: str = "random",
    test: float = 0.1,
    validation: float = 0.1,
    metric: str = "ndcg@10",
    k: int = 10,
    patience: int = 3,
    run: Run | None = None,
    told: Callable[[str, float], None] | None = None,
) -> Comparison:
    """Fit models on the same training part; iterative ones stop where validation no longer improves.

    Ranking models are watched by `metric`, rating models by rmse. `told(name, seconds)` hears of each fit.
    """
    run = run or Run()
    asked = metric_named(metric, k=k)
    rated = data.schema.explicit and any(model.task == "rating" for model in models.values())
    if asked.kind == "rating" and not rated:
        raise ParameterError(f"metric {asked.name} is of ratings, and none of {', '.join(models)} gives any here")
    metrics = [*(("rmse", "mae") if rated else ()), *USUAL, asked.name]
    with run.track("splitting"):
        parts = split(data, kind, test=test, validation=validation, seed=run.seed)  # type: ignore[arg-type]
    assert parts.validation is not None
    fitted: dict[str, Recommender] = {}
    seconds: dict[str, float] = {}
    for name, model in models.items():
        begun = time.perf_counter()
        fitted[name] = _fit(model, parts, asked.name if asked.kind == "ranking" else "ndcg@10", patience, run)
        seconds[name] = time.perf_counter() - begun
        if told is not None:
            told(name, seconds[name])
    sit = functools.partial(evaluate, fitted, parts.train, history=parts.history, metrics=metrics, k=k, run=run)
    on_validation = sit(parts.validation, resamples=0)
    on_test = sit(parts.test, seed=run.seed, fit_seconds=seconds)
    with run.track("intervals"):
        on_test.rows  # noqa: B018 - computed once, here, where it shows
    return Comparison(data, parts, fitted, on_validation, on_test, run)


def _fit(model: Recommender, parts: Split, ranking: str, patience: int, run: Run) -> Recommender:
    if not isinstance(model, Iterative):
        return model.fit(parts.train, run=run)
    assert parts.validation is not None
    metric = "rmse" if model.task == "rating" else ranking
    shown = parts.history
    watch = early_stopping(parts.train, parts.validation, history=shown, metric=metric, patience=patience, run=run)
    fitted = model.fit(parts.train, run=run, watch=watch)
    fitted.epochs = watch.best_epoch or fitted.epochs
    return fitted


# ---- what a person typed --------------------------------------------------------------------------------------------


def users_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The people that texts stand for; UnknownIdError for a text that cannot be an id of this model."""
    try:
        return [schema.users.parse(text) for text in texts]
    except UnknownIdError as error:
        raise UnknownIdError(f"the user is not in the training data: {error}") from None


def items_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The items that texts stand for, each an id or a title; UnknownIdError, with the nearest titles, otherwise."""
    names = _Names(schema)
    return [names.item(text) for text in texts]


def history_of(schema: Schema, texts: Sequence[str]) -> list[tuple[Id, float]]:
    """A history from texts such as "318", "318=5" or "Toy Story=4.5"; without a value, the top of the scale or 1."""
    names, default = _Names(schema), schema.scale[1] if schema.explicit and schema.scale else 1.0
    history = []
    for text in texts:
        name, separator, number = text.rpartition("=")
        value = default
        if separator and names.find(text) is None:  # else the sign belongs to the id or title
            try:
                text, value = name, float(number)
            except ValueError:
                raise ParameterError(f"an event must be ITEM or ITEM=VALUE with a number, got {text!r}.") from None
        history.append((names.item(text), value))
    return history


class _Names:
    """What items may be called: by id, or by title in any case; of equal titles the lower code's."""

    def __init__(self, schema: Schema) -> None:
        columns = [name for name in schema.item_table.columns if name.lower() in ("title", "name")]
        titles = schema.item_table[columns[0]].to_list() if columns else []
        self._titles = {str(title).lower(): code for code, title in reversed(list(enumerate(titles))) if title}
        self._schema = schema

    def find(self, text: str) -> Id | None:
        """The id that a text stands for, or None."""
        items = self._schema.items
        try:
            value = items.parse(text)
            items.code(value, "item")
        except UnknownIdError:
            code = self._titles.get(text.lower())
            return None if code is None else items.series()[code]
        return value

    def item(self, text: str) -> Id:
        """The id that a text stands for; UnknownIdError, with the nearest titles, where there is none."""
        found = self.find(text)
        if found is not None:
            return found
        codes = [self._titles[near] for near in difflib.get_close_matches(text.lower(), self._titles, n=3)]
        near = " or ".join(repr(title) for title in self._schema.titles(np.array(codes, dtype=np.int32)))
        hint = f"; did you mean {near}?" if near else f"; ids here are {self._schema.items.kind}s"
        raise UnknownIdError(f"there is no item with the id or title {text!r}{hint}")


# ---- files ----------------------------------------------------------------------------------------------------------


def write_lists(
    model: Recommender,
    path: str | Path,
    *,
    k: int = 10,
    exclude: Sequence[Id] | None = None,
    seen: bool = False,
    run: Run | None = None,
) -> int:
    """Write everybody's list to a Parquet, CSV or JSON-lines file, streamed; the number of rows."""
    from polars.io.plugins import register_io_source

    model._need_fit()
    users, items = (_TYPES[side.kind] for side in (model.schema_.users, model.schema_.items))
    tables = model.recommend_all(k, exclude=exclude, seen=seen, run=run)
    rows = 0

    def parts(*_: Any) -> Iterator[pl.DataFrame]:
        nonlocal rows
        for table in tables:
            rows += len(table)
            yield table

    schema: dict[str, Any] = {"user": users, "item": items, "score": pl.Float32, "rank": pl.Int32}
    write_table(register_io_source(parts, schema=schema), path)
    return rows


def write_table(table: pl.DataFrame | pl.LazyFrame, path: str | Path) -> None:
    """Write a table to a Parquet, CSV or JSON-lines file, as its suffix says, whole or not at all."""
    check_out(path, TABLES)
    lazy = table.lazy()
    with whole(path) as temporary:
        try:
            match Path(path).suffix:
                case ".parquet":
                    lazy.sink_parquet(temporary)
                case ".csv":
                    lazy.sink_csv(temporary)
                case _:
                    lazy.sink_ndjson(temporary)
        except pl.exceptions.ComputeError as error:  # a full disk under a Parquet file
            raise OSError(0, str(error)) from error


def read_pairs(path: str | Path, schema: Schema) -> pl.DataFrame:
    """The table of people and items in a file: its first two columns, or those with usual names; ids as the model's."""
    from honeyguide.data.faults import Faults
    from honeyguide.data.read import columns_of
    from honeyguide.data.tables import open_table
    from honeyguide.data.tables import whole as whole_table

    columns = columns_of(path)
    table = open_table(path)
    read = whole_table(table, Faults(table.name, is_file=table.is_file, lenient=False))
    pairs = read.select(pl.col(columns.user).alias("user"), pl.col(columns.item).alias("item"))
    try:
        return pairs.cast({"user": _TYPES[schema.users.kind], "item": _TYPES[schema.items.kind]})
    except pl.exceptions.PolarsError:
        kinds = f"people are {schema.users.kind}s and items {schema.items.kind}s"
        raise ParameterError(f"{path} does not hold ids of the model's kind: its {kinds}") from None
