"""All that the command line and the server call: texts and raw ids in, ids and tables out.

train      fit one model            compare   fit several, choose by validation, measure on test, refit the winner
items_of   what a person typed (ids or titles) → ids            write_lists   everybody's list, streamed to a file
"""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from honeyguide import artifact, params
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.vocabulary import Id
from honeyguide.errors import ParameterError, UnknownIdError
from honeyguide.evaluate import Evaluation, early_stopping, evaluate
from honeyguide.files import whole
from honeyguide.metrics import metric as metric_named
from honeyguide.models import registry
from honeyguide.models.base import Iterative, Recommender, sizes
from honeyguide.models.stored import open_model
from honeyguide.run import Run
from honeyguide.split import Split, split

_SUFFIXES = (".parquet", ".csv", ".jsonl")


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
    wanted = [registry.canonical(name.strip()) for name in names if name.strip()]
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
    fitted = model.fit(parts.train, run=run)
    return evaluate({"it": fitted}, parts.train, parts.test, metrics=[metric], resamples=0, run=run).value("it", metric)


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
    on_validation = evaluate(fitted, parts.train, parts.validation, k=k, resamples=0, run=run)
    on_test = evaluate(fitted, parts.train, parts.test, k=k, seed=run.seed, run=run, fit_seconds=seconds)
    return Comparison(data, parts, fitted, on_validation, on_test, run)


def _fit(model: Recommender, parts: Split, ranking: str, patience: int, run: Run) -> Recommender:
    if not isinstance(model, Iterative):
        return model.fit(parts.train, run=run)
    assert parts.validation is not None
    metric = "rmse" if model.task == "rating" else ranking
    watch = early_stopping(parts.train, parts.validation, metric=metric, patience=patience, run=run)
    fitted = model.fit(parts.train, run=run, watch=watch)
    fitted.epochs = watch.best_epoch
    return fitted


# ---- what a person typed --------------------------------------------------------------------------------------------


def items_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The items that texts stand for, each an id or a title; UnknownIdError, with the nearest titles, otherwise."""
    return [_item(schema, text, titles=_titles(schema)) for text in texts]


def history_of(schema: Schema, texts: Sequence[str]) -> list[tuple[Id, float]]:
    """A history from texts such as "318", "318=5" or "Toy Story=4.5"; without a value, the top of the scale or 1."""
    default = schema.scale[1] if schema.explicit and schema.scale else 1.0
    history = []
    for text in texts:
        name, separator, number = text.rpartition("=")
        try:
            value = float(number) if separator else default
        except ValueError:
            name, value = "", default
        history.append((items_of(schema, [name if separator and name else text])[0], value))
    return history


def _titles(schema: Schema) -> dict[str, int]:
    """Title in lower case -> code; of equal titles the lower code."""
    names = [name for name in schema.item_table.columns if name.lower() in ("title", "name")]
    titles = schema.item_table[names[0]].to_list() if names else []
    return {str(title).lower(): code for code, title in reversed(list(enumerate(titles))) if title is not None}


def _item(schema: Schema, text: str, titles: Mapping[str, int]) -> Id:
    try:
        value = schema.items.parse(text)
        schema.items.code(value, "item")
    except UnknownIdError:
        pass
    else:
        return value
    if text.lower() in titles:
        return schema.items.series()[titles[text.lower()]]  # type: ignore[no-any-return]
    near = difflib.get_close_matches(text.lower(), titles, n=3)
    hint = f"; did you mean {' or '.join(repr(t) for t in near)}?" if near else ""
    raise UnknownIdError(f"there is no item with the id or title {text!r}{hint}") from None


def users_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The people that texts stand for."""
    return [schema.users.parse(text) for text in texts]


# ---- files ----------------------------------------------------------------------------------------------------------


def check_out(path: str | Path, suffixes: Sequence[str] = _SUFFIXES) -> None:
    """ParameterError, before any work is done, for an output whose suffix is not one of those offered."""
    if Path(path).suffix not in suffixes:
        raise ParameterError(f"the output must end in {', '.join(suffixes)}, got {str(path)!r}.")


def write_lists(model: Recommender, path: str | Path, *, k: int = 10, run: Run | None = None) -> int:
    """Write everybody's list to a Parquet, CSV or JSON-lines file, streamed; the number of rows."""
    from polars.io.plugins import register_io_source

    check_out(path)
    model._need_fit()
    id_types = {"integer": pl.Int64, "string": pl.String}
    users, items = id_types[model.schema_.users.kind], id_types[model.schema_.items.kind]
    rows = 0

    def parts(*_: Any) -> Iterator[pl.DataFrame]:
        nonlocal rows
        for table in model.recommend_all(k, run=run):
            rows += len(table)
            yield table

    schema = {"user": users, "item": items, "score": pl.Float32, "rank": pl.Int32}
    with whole(path) as temporary:
        write_table(register_io_source(parts, schema=schema), temporary, Path(path).suffix)
    return rows


def write_table(table: pl.LazyFrame, path: Path, suffix: str) -> None:
    """Write a table in the form that a suffix names."""
    match suffix:
        case ".parquet":
            table.sink_parquet(path)
        case ".csv":
            table.sink_csv(path)
        case _:
            table.sink_ndjson(path)


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
    types = {"integer": pl.Int64, "string": pl.String}
    try:
        return pairs.cast({"user": types[schema.users.kind], "item": types[schema.items.kind]})
    except pl.exceptions.PolarsError:
        kinds = f"people are {schema.users.kind}s and items {schema.items.kind}s"
        raise ParameterError(f"{path} does not hold ids of the model's kind: its {kinds}") from None
