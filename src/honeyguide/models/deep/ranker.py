"""Two stages: other models propose items, a deep-and-cross network ranks them (DCN V2, Wang et al. 2021,
arXiv:2008.13535; candidates and ranking as in Covington et al. 2016, doi:10.1145/2959100.2959190).

    x = [e_i; u; c; e_i * u; e_i * c; z'; p_i]     of a candidate i, a person and a moment
        e_i   the vector of the item's id + sum over its attributes f of w_f q_f
        u     mean of h_j over the history + sum over the person's attributes f of w_f r_f
        c     sum over what is known of the moment, f, of w_f t_f: the hour, the day of the week, columns of the events
        z     what each model says of i, less the mean and over the deviation of the person's candidates;
              z' = sign(z) ln(1 + |z|)
        p_i   ln(1 + events of i), less the mean and over the deviation of all items

    x_0 = x,   x_(l+1) = x_0 * (x_l W_l + b_l) + x_l    (crosses),    y = relu(… relu(x A + a) …)    (hidden)
    score = sum over models m of g_m z_m + w [x_L; y]

Each person's positives are dealt into `folds` parts at random; each part is hidden once from all models, which are
fitted on the rest and propose items to everyone who had something hidden. What was hidden and proposed is to be told
from other candidates, up to `negatives` drawn each time, by the cross-entropy of a softmax. So the network sees the
models as it will when asked: of items that they were not trained on. In the end the models are fitted on everything. w
starts at 0 and g at 1 / models, the models' own order. In a step a share `blank` of the people is read without
attributes, and of the moments as unknown. Adam through training/, on Keras, its rate falling linearly to a twentieth;
asked in NumPy (`_network` is both). A fit that goes on from a checkpoint fits the models again before it trains.

Fit: each model `folds` + 1 times, then O(epochs N C K (K L + hidden)) for N hidden items proposed, C candidates, K
numbers in x; memory 2 `folds` U P (M + 3) numbers for U people, P candidates and M models. Asked: the models' scores of
all items, then O(P K (K L + hidden)) a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import NO_TIME, Dataset, Schema, Shape
from honeyguide.data.features import Features, Kind
from honeyguide.data.profiles import Profiles
from honeyguide.models import registry, vectors
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.deep._proposals import CELLS, Lessons, Proposals, ask, blocks, popularity, propose
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.dropout import dropout
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise

_SPREAD = 0.1  # standard deviation of the first vectors, over root F
_PAIRS = 4096  # candidates that the network scores at once, so that what is between two layers stays in the cache
_TABLES = "ids", "item_attributes", "history", "user_attributes", "moments"
_HOUR, _DAY = 3600, 86400
_CLOCK: dict[str, Kind] = {"\0hour": "category", "\0weekday": "category"}  # no column of a caller's has these names


@dataclass(kw_only=True, eq=False)
class Ranker(Recommender):
    """Rank what other models propose by all that is known: their scores, histories, attributes, the moment.

    `models` are names, each with hyperparameters where they are not the defaults: "ease,als:factors=32". Each proposes
    its best `pool` items to a person, what is in the history left out; their union is ranked by the network. All other
    items follow in the order of the first model. A moment or a circumstance that asking does not tell is not known.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[dict[str, str]] = {"items_": "IF", "history_": "IF", "popularity_": "I", "gains_": "M"}

    models: str = param("ease", help="names of the models that propose, each with :parameter=value")
    pool: int = param(100, low=1, tune=(30, 300, "log"), help="items that each of the models proposes")
    folds: int = param(5, low=2, help="parts that are hidden in turn from the models")
    factors: int = param(16, low=1, tune=(8, 32, "log"), help="length of the vectors")
    crosses: int = param(2, low=0, tune=(0, 3), help="layers of crosses")
    hidden: tuple[int, ...] = param((64, 32), low=1, help="units of the hidden layers; none: crosses alone")
    negatives: int = param(30, low=1, help="other candidates that one is told from in a step")
    blank: float = param(0.1, low=0.0, high=0.9, help="share of people's attributes, and of moments, hidden in a step")
    dropout: float = param(0.4, low=0.0, high=0.9, tune=(0.0, 0.6), help="share of the input left out in a step")
    reg: float = param(1e-3, low=0.0, tune=(1e-5, 1e-1, "log"), help="L2 weight on the vectors read")
    learning_rate: float = param(2e-3, low=1e-6, tune=(3e-4, 1e-2, "log"), help="step of Adam, at first")
    batch_size: int = param(256, low=1, help="hidden items in a step")
    epochs: int = param(10, low=1, tune=(2, 30, "log"), help="passes over what was hidden")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._made()

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact where each of the models is."""
        return "exact" if all(model.fold_in == "exact" for model in self._made()) else "approximate"

    def _made(self) -> list[Recommender]:
        return list(registry.several(self.models, "Ranker.models").values())

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        keras, rng = backend.keras(run), run.rng(0)
        quiet = replace(run, progress=False, checkpoint=None)
        moments = self._learn_features(data)
        with run.track("fitting the models that propose", self.folds + 1) as bar:
            questions = ask(self._made, data, folds=self.folds, size=self.pool, run=quiet, told=bar.advance)
            self.members_ = tuple(model.fit(data, run=quiet) for model in self._made())
        positives = data.positives()
        self.popularity_ = popularity(positives)
        rated = np.bincount(positives.indices, minlength=data.n_items) > 0
        items, people = self._item_attributes(data.schema), self._user_attributes(data.profiles())
        widths = data.n_items, items.shape[1], data.n_items, people.shape[1], moments.shape[1]
        spread = _SPREAD / np.sqrt(self.factors)
        tables = {
            name: rng.normal(0.0, spread, (max(1, width), self.factors)).astype(np.float32)
            for name, width in zip(_TABLES, widths, strict=True)
        }
        layers = self._layers(keras, rng)
        objective = Objective(tables, {name: name for name in _TABLES}, self._loss(keras.ops, layers), layers)
        lessons = Lessons(
            questions, items, people, moments, size=self.batch_size, negatives=self.negatives, blank=self.blank
        )
        steps, rate = max(1, self.epochs * lessons.steps), self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.05, 1.0 - (t - 1) / steps), run=run)
        for _ in trainer.epochs(self.epochs, rng):
            trainer.epoch(lessons.epoch(rng))
            self._take(trainer, items, rated)
            yield

    def _learn_features(self, data: Dataset) -> sp.csr_matrix:
        """Set the encodings of attributes and moments; what is known of the moment of each event (N, T)."""
        schema = data.schema
        sides = (schema.user_table, data.users), (schema.item_table, data.items)
        self.user_kinds_, self.item_kinds_ = (
            Features.learn(table[np.unique(codes)], schema.kinds).state() if table.width else ()
            for table, codes in sides
        )
        moments = _moments(data.times, data.context, len(data))
        self.moment_kinds_ = Features.learn(moments, {**schema.kinds, **_CLOCK}).state()
        return Features.of_state(self.moment_kinds_).encode(moments)

    def _item_attributes(self, schema: Schema) -> sp.csr_matrix:
        table = schema.item_table if schema.item_table.width else None
        return Features.of_state(self.item_kinds_).encode(table, len(schema.items))  # (I, Q)

    def _user_attributes(self, profiles: Profiles) -> sp.csr_matrix:
        return Features.of_state(self.user_kinds_).encode(profiles.attributes, len(profiles))  # (B, R)

    def _layers(self, keras: Any, rng: np.random.Generator) -> list[Any]:
        """Built layers: crosses, hidden ones, the output, and the models' gains."""
        width = 5 * self.factors + 1 + len(self._made())

        def dense(inputs: int, units: int, *, bias: bool = True) -> Any:
            layer = keras.layers.Dense(units, use_bias=bias)
            layer.build((None, inputs))
            return layer

        layers = [dense(width, width) for _ in range(self.crosses)]
        layers += [dense(inputs, units) for inputs, units in zip((width, *self.hidden), self.hidden, strict=False)]
        initialise(layers, rng)
        output = dense(width + (self.hidden[-1] if self.hidden else 0), 1, bias=False)
        gains = dense(len(self._made()), 1, bias=False)
        output.kernel.assign(np.zeros(output.kernel.shape, np.float32))
        gains.kernel.assign(np.full(gains.kernel.shape, 1.0 / len(self._made()), np.float32))
        return [*layers, output, gains]

    def _loss(self, ops: Any, layers: Sequence[Any]) -> Any:
        def bag(rows: Any, batch: Any, name: str) -> Any:
            """The weighted sum of the vectors looked up, over the last axis but one."""
            return ops.sum(rows[name] * batch[f"{name}_share"][..., None], axis=-2)

        def loss(rows: Any, batch: Any) -> Any:
            weights = [ops.convert_to_tensor(v) for layer in layers for v in layer.trainable_variables]
            items = rows["ids"] + bag(rows, batch, "item_attributes")  # (R, C, F)
            users = bag(rows, batch, "history") + bag(rows, batch, "user_attributes")  # (R, F)
            when = bag(rows, batch, "moments")
            x = _input(ops, items, users[:, None], when[:, None], batch["said"], batch["popularity"])
            x = dropout(ops, x, self.dropout, batch["seed"])
            logits = _network(ops, x, batch["said"], weights, self.crosses) - 1e9 * (1.0 - batch["there"])
            each = ops.logsumexp(logits, axis=1) - logits[:, 0]
            total = ops.sum(batch["weight"] * each) / ops.maximum(ops.sum(batch["weight"]), 1.0)
            if self.reg:
                parts = (items, users, when)
                total = total + self.reg * sum(ops.mean(ops.sum(ops.square(part), axis=-1)) for part in parts)
            return total

        return loss

    def _take(self, trainer: Trainer, attributes: sp.csr_matrix, rated: BoolArray) -> None:
        """Learned state from the trainer."""
        held = {name: trainer.table(name) for name in _TABLES}
        own = np.where(rated[:, None], held["ids"], 0.0)
        self.items_ = np.asarray(own + attributes @ held["item_attributes"][: attributes.shape[1]], np.float32)
        self.history_, self.user_features_ = held["history"], held["user_attributes"]
        self.moment_features_ = held["moments"]
        *weights, gains = trainer.weights()
        self.weights_, self.gains_ = tuple(weights), gains[:, 0]

    # ---- asking -----------------------------------------------------------------------------------------------------

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        wanted = slice(None) if items is None else items
        ranked = (self._ranked(block)[:, wanted] for block in blocks(profiles, len(self.members_)))
        count = len(self.schema_.items) if items is None else len(items)
        return np.concatenate([np.zeros((0, count), np.float32), *ranked])

    def _ranked(self, profiles: Profiles) -> FloatArray:
        """(B, I): candidates by the network; all others below them, in the order of the first model."""
        scores = [model.score(profiles) for model in self.members_]
        given = propose(scores, profiles, self.pool)
        there, logits = given.codes >= 0, self._logits(profiles, given)
        lowest = np.where(there, logits, np.inf).min(axis=1, keepdims=True)
        lowest = np.where(np.isfinite(lowest), lowest, 0.0)
        below = scores[0].max(axis=1, keepdims=True) - scores[0]
        spread = scores[0].std(axis=1, keepdims=True)
        out = np.asarray(lowest - 1.0 - below / np.where(spread > 0, spread, 1.0), np.float32)
        row, place = np.nonzero(there)
        out[row, given.codes[row, place]] = logits[row, place]
        return out

    def _logits(self, profiles: Profiles, given: Proposals) -> FloatArray:
        """(B, P) the network's scores of candidates."""
        positives = profiles.positives()
        counts = np.maximum(np.diff(positives.indptr), 1).astype(np.float32)
        users = (positives @ self.history_) / counts[:, None]
        when: FloatArray = np.zeros_like(users)
        if self.user_kinds_:
            known = self._user_attributes(profiles)
            users = users + known @ self.user_features_
        if self.moment_kinds_ and (profiles.at is not None or profiles.context is not None):
            told = _moments(profiles.at, profiles.context, len(profiles))
            when = Features.of_state(self.moment_kinds_).encode(told, len(profiles)) @ self.moment_features_
        weights = [*self.weights_, self.gains_[:, None]]
        out = np.empty(given.codes.shape, np.float32)

        def rank(start: int, stop: int) -> None:
            at = slice(start, stop)
            codes, said = np.maximum(given.codes[at], 0), given.said[at]
            x = _input(np, self.items_[codes], users[at, None], when[at, None], said, self.popularity_[codes])
            out[at] = _network(np, x, said, weights, self.crosses)

        with vectors.one_thread_each:  # of BLAS: products are small, and its threads wait for each other
            Run().map(rank, len(out), block=max(1, _PAIRS // given.codes.shape[1]))
        return out

    def memory(self, shape: Shape) -> int:
        made = self._made()
        pool = min(self.pool, shape.items) * len(made)
        hidden = 2 * self.folds * min(shape.users, shape.events) * pool * (12 + 4 * len(made))
        step = 16 * self.batch_size * (1 + self.negatives) * (5 * self.factors + 2) * (self.crosses + 3)
        return sum(model.memory(shape) for model in made) + hidden + step + 64 * shape.events + 16 * CELLS


def _input(xp: Any, items: Any, users: Any, when: Any, said: Any, popularity: Any) -> Any:
    """x (R, C, K) of candidates' vectors (R, C, F), people's and moments' (R, 1, F); `xp` is numpy or keras.ops."""
    users, when = (part + xp.zeros_like(items) for part in (users, when))
    squashed = xp.sign(said) * xp.log1p(xp.abs(said))
    return xp.concatenate([items, users, when, items * users, items * when, squashed, popularity[..., None]], axis=-1)


def _network(xp: Any, x: Any, said: Any, weights: Sequence[Any], crosses: int) -> Any:
    """The scores (R, C) of inputs x (R, C, K): kernel and bias of each cross and hidden layer, output, gains."""
    *layers, output, gains = weights
    crossed = x
    for kernel, bias in zip(layers[: 2 * crosses : 2], layers[1 : 2 * crosses : 2], strict=True):
        crossed = x * (xp.matmul(crossed, kernel) + bias) + crossed
    deep = [x]
    for kernel, bias in zip(layers[2 * crosses :: 2], layers[2 * crosses + 1 :: 2], strict=True):
        deep = [xp.maximum(xp.matmul(deep[0], kernel) + bias, 0.0)]
    whole = xp.concatenate([crossed, deep[0]], axis=-1) if len(layers) > 2 * crosses else crossed
    return (xp.matmul(whole, output) + xp.matmul(said, gains))[..., 0]


def _moments(times: LongArray | None, context: pl.DataFrame | None, count: int) -> pl.DataFrame:
    """What is known of moments (N,): the hour and the day of the week, in UTC, and the columns of the context."""
    known = pl.DataFrame(height=count) if context is None else context
    if times is None:
        return known
    when = pl.Series(times)
    when = when.set(when == NO_TIME, None)
    parts = zip(_CLOCK, (when % _DAY // _HOUR, when // _DAY % 7), strict=True)
    return known.with_columns(**{name: part.cast(pl.String) for name, part in parts})
