"""Two towers: one reads a person's history and attributes, the other an item's id and attributes; the score is u.v.

(Covington et al. 2016, doi:10.1145/2959100.2959190; Yi et al. 2019, doi:10.1145/3298689.3346996.)

    x_u = mean of h_i over the history + sum over attributes f of w_f p_f,    u = [x_u + C relu(A x_u + a) + c, 1]
    x_i = e_i + sum over attributes f of w_f q_f,                             v = [x_i + D relu(B x_i + b) + d, b_i]

The input layer is x, the hidden layers are the `hidden` of each tower, and the product with all items is the output
layer. Each positive is a target once an epoch, the input being others of the same history. A target's loss is the
cross-entropy of a softmax over itself and items that the person does not have, out of the batch's targets and
`negatives` uniform ones (Yang et al. 2020, doi:10.1145/3366424.3386195), each logit less the logarithm of how often its
item is expected to be drawn. In a step a share `blank` of people is read without the history, as many without their
attributes, and as many items without the id, so that either alone serves someone or something new. Adam through
training/, on Keras; asked in NumPy, so serving needs no Keras.

Fit: O(epochs N (L + C / T) F) for N positives, inputs of L events, C candidates and T targets a row; memory 36 F (U + 2
I + attributes). A person is encoded in O(n F); score O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.features import Features
from honeyguide.data.profiles import Profiles
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise
from honeyguide.training.sampling import shuffled

_SPREAD = 0.1  # standard deviation of the first vectors, over root F
_TARGETS = 8  # of one person in a row of a batch


@dataclass(kw_only=True, eq=False)
class TwoTower(Recommender):
    """Lists by the product of a person's vector, made of history and attributes, and an item's, of id and attributes.

    Attributes are the columns of `read(..., items=, users=)`; without any, history and ids remain. Item vectors can be
    searched, exactly (as here) or by any index of inner products. `with_items` adds items by their attributes.
    """

    task: ClassVar[Task] = "ranking"
    item_content: ClassVar[tuple[Content, ...]] = ("attributes",)
    shapes: ClassVar[Mapping[str, str]] = {"item_vectors_": "IK", "ids_": "IK", "history_": "IF"}

    factors: int = param(64, low=1, tune=(32, 128, "log"), help="length of the vectors")
    hidden: tuple[int, ...] = param((), low=1, help="units of the hidden layers of each tower; none: sums alone")
    history: bool = param(True, help="read the history; without: attributes alone")
    attributes: bool = param(True, help="read the attributes; without: history and ids alone")
    length: int = param(50, low=1, help="events of a history that training reads at once, drawn anew each time")
    negatives: int = param(512, low=0, tune=(128, 2048, "log"), help="items drawn uniformly for each batch")
    blank: float = param(0.1, low=0.0, high=0.9, help="share of histories, attributes of people, ids hidden in a step")
    dropout: float = param(0.3, low=0.0, high=0.9, tune=(0.0, 0.6), help="share of the inputs left out in a step")
    reg: float = param(1e-3, low=0.0, tune=(1e-5, 1e-2, "log"), help="L2 weight on the vectors read, for each target")
    learning_rate: float = param(1.5e-2, low=1e-6, tune=(3e-3, 3e-2, "log"), help="step of Adam, at first")
    batch_size: int = param(1024, low=1, help="targets in a step")
    epochs: int = param(15, low=1, tune=(5, 40, "log"), help="passes over the data")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        keras, rng = backend.keras(run), run.rng(0)
        positives = data.positives()
        self.rated_ = np.bincount(positives.indices, minlength=data.n_items) > 0
        users, items = self._learn_features(data)
        layers = [self._tower(keras, run.seed + 100 * side) for side in range(2)]
        initialise([layer for tower in layers for layer in tower], rng)
        widths = {
            "history": (data.n_items, self.factors), "user_attribute": (users.shape[1], self.factors),
            "item": (data.n_items, self.factors + 1), "item_attribute": (items.shape[1], self.factors + 1),
        }  # fmt: skip
        tables = {
            name: rng.normal(0.0, _SPREAD / np.sqrt(self.factors), shape).astype(np.float32)
            for name, shape in widths.items()
        }
        read = {name: name for name, table in tables.items() if len(table) and (self.history or name != "history")}
        loss = self._loss(keras.ops, layers, read)
        objective = Objective(
            {name: tables[name] for name in read}, {"item": "item"}, loss, [each for tower in layers for each in tower],
            bags={name: name for name in read if name != "item"},
        )  # fmt: skip
        batches = _Batches(positives, users, items, self)
        steps = self.epochs * batches.steps
        rate = self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.05, 1.0 - (t - 1) / steps), run=run)
        for _ in trainer.epochs(self.epochs, rng):
            trainer.epoch(batches.epoch(rng))
            self._take(trainer, tables, read)
            yield

    def _learn_features(self, data: Dataset) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Set the encodings of attributes; what they say of people (U, P) and of items (I, Q)."""
        schema, profiles = data.schema, data.profiles()
        there = np.diff(profiles.indptr) > 0
        self.user_kinds_, self.item_kinds_ = (
            Features.learn(table.filter(trained), schema.kinds).state() if table.width and self.attributes else ()
            for table, trained in ((schema.user_table, there), (schema.item_table, self.rated_))
        )
        return self._user_attributes(profiles), self._item_attributes(schema)

    def _user_attributes(self, profiles: Profiles) -> sp.csr_matrix:
        return Features.of_state(self.user_kinds_).encode(profiles.attributes, len(profiles))  # (B, P)

    def _item_attributes(self, schema: Schema) -> sp.csr_matrix:
        table = schema.item_table if schema.item_table.width else None
        return Features.of_state(self.item_kinds_).encode(table, len(schema.items))  # (I, Q)

    def _tower(self, keras: Any, seed: int) -> list[Any]:
        """Built layers: dropout of the input, then hidden layers, and one as wide as the input."""
        layers, width = [keras.layers.Dropout(self.dropout, seed=seed)], self.factors
        for units in (*self.hidden, self.factors) if self.hidden else ():
            layers.append(keras.layers.Dense(units))
            layers[-1].build((None, width))
            width = units
        return layers

    def _loss(self, ops: Any, layers: list[list[Any]], read: Mapping[str, str]) -> Any:
        def climb(tower: list[Any], x: Any) -> Any:
            out = x = tower[0](x, training=True)
            for dense in tower[1:-1]:
                out = ops.relu(dense(out))
            return x + tower[-1](out) if len(tower) > 1 else x

        def loss(rows: Any, batch: Any) -> Any:
            people = [rows[name] for name in ("history", "user_attribute") if name in read]
            users = climb(layers[0], sum(people)) if people else ops.zeros((batch["weight"].shape[0], self.factors))
            raw = rows["item"] * batch["item_share"][:, None]  # (C, F + 1)
            if "item_attribute" in read:
                raw = raw + rows["item_attribute"]
            things = climb(layers[1], raw[:, :-1])  # (C, F)
            logits = ops.matmul(users, ops.transpose(things)) + raw[:, -1] - batch["log_drawn"]  # (B, C)
            own = ops.take_along_axis(logits, batch["place"], axis=1)  # (B, T)
            others = ops.logsumexp(logits - 1e9 * batch["theirs"], axis=1)[:, None]  # (B, 1)
            total = ops.sum(batch["weight"] * ops.softplus(others - own)) / ops.maximum(ops.sum(batch["weight"]), 1.0)
            if self.reg:
                total = total + self.reg * sum(ops.mean(ops.sum(ops.square(x), axis=-1)) for x in (raw, *people))
            return total

        return loss

    def _take(self, trainer: Trainer, tables: Mapping[str, FloatArray], read: Mapping[str, str]) -> None:
        """Learned state from the trainer; what was not read has no part."""
        found = {name: trainer.table(name) if name in read else np.zeros_like(table) for name, table in tables.items()}
        self.history_, self.user_features_ = found["history"], found["user_attribute"]
        self.ids_, self.item_features_ = found["item"], found["item_attribute"]
        weights, each = trainer.weights(), 2 * (len(self.hidden) + bool(self.hidden))
        self.user_tower_, self.item_tower_ = tuple(weights[:each]), tuple(weights[each:])
        self.item_vectors_ = self._things(
            self._item_attributes(self.schema_), np.where(self.rated_[:, None], self.ids_, 0.0)
        )

    # ---- asking -----------------------------------------------------------------------------------------------------

    def _things(self, attributes: sp.csr_matrix, ids: AnyArray) -> FloatArray:
        """(R, K) the vectors of items with those attributes (R, Q) and vectors of their ids (R, K)."""
        raw = attributes @ self.item_features_ + ids
        return np.column_stack([_climb(self.item_tower_, raw[:, :-1]), raw[:, -1]]).astype(np.float32)

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, K) of each profile, from the history and the attributes; the last number is 1."""
        self._need_fit()
        raw = self._user_attributes(profiles) @ self.user_features_  # (B, F)
        if self.history:
            positives = profiles.positives()
            counts = np.maximum(np.diff(positives.indptr), 1).astype(np.float32)
            raw += (positives @ self.history_) / counts[:, None]
        return np.column_stack([_climb(self.user_tower_, raw), np.ones(len(raw))]).astype(np.float32)

    def item_vectors(self) -> FloatArray:
        """(I, K) of each item, the bias at the end."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, biases left out."""
        return cosines(self.item_vectors_[:, :-1], items)

    def _extend(self, schema: Schema) -> None:
        """Take the vectors of new items, the last of `schema`, from their attributes."""
        attributes = self._item_attributes(schema)[len(self.item_vectors_) :]
        more = attributes.shape[0]
        self.item_vectors_ = np.concatenate([self.item_vectors_, self._things(attributes, np.zeros((more, 1)))])
        self.history_ = np.pad(self.history_, ((0, more), (0, 0)))
        self.ids_, self.rated_ = np.pad(self.ids_, ((0, more), (0, 0))), np.pad(self.rated_, (0, more))

    def memory(self, shape: Shape) -> int:
        width = self.factors + 1
        candidates = self.batch_size + self.negatives
        step = 16 * (self.batch_size // _TARGETS + 1) * (candidates + 2 * self.length + 2 * width)
        return 80 * width * shape.items + 60 * shape.events + step + 64 * candidates * (width + sum(self.hidden))


def _climb(tower: tuple[FloatArray, ...], x: FloatArray) -> FloatArray:
    """x (R, F) and what the hidden layers make of it."""
    out = x
    for place in range(0, len(tower), 2):
        out = (np.maximum(out, 0.0) if place else out) @ tower[place] + tower[place + 1]
    return x + out if tower else x


class _Batches:
    """Rows of up to T targets of one person, with a part of the rest of the history as the input."""

    def __init__(self, positives: sp.csr_matrix, users: sp.csr_matrix, items: sp.csr_matrix, model: TwoTower) -> None:
        self._positives, self._model = positives, model
        self._users, self._items = users, items
        self._hides = items.shape[1] > 0, users.shape[1] > 0
        counts = np.diff(positives.indptr)
        self._share = np.bincount(positives.indices, minlength=positives.shape[1]) / positives.nnz  # (I,)
        self._size = np.clip(counts // 2, 1, _TARGETS)  # (U,) targets in a row: half of a short history is the input
        chunks = -(-counts // self._size)
        self._person = np.repeat(np.arange(len(counts)), chunks)  # (R,) of each row
        self._first = np.arange(len(self._person)) - np.repeat(np.cumsum(chunks) - chunks, chunks)
        self._rows = max(1, model.batch_size // _TARGETS)

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self._person) // self._rows)

    def epoch(self, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Every positive is a target once; the histories are in a new order."""
        indptr = self._positives.indptr.astype(np.int64)
        lines = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        events = self._positives.indices[np.lexsort((rng.random(len(lines)), lines))]
        for at, weight in shuffled(len(self._person), self._rows, rng):
            people = self._person[at]
            yield self._batch(indptr, events, people, self._first[at] * self._size[people], weight, rng)

    def _batch(
        self, indptr: AnyArray, events: AnyArray, people: AnyArray, first: AnyArray, weight: FloatArray,
        rng: np.random.Generator,
    ) -> dict[str, AnyArray]:  # fmt: skip
        model, n_items = self._model, self._positives.shape[1]
        begin, count = indptr[people][:, None], (indptr[people + 1] - indptr[people])[:, None]  # (B, 1)
        size = self._size[people][:, None]
        place = first[:, None] + np.arange(_TARGETS)  # (B, T)
        targets = events[begin + np.minimum(place, count - 1)]
        weight = weight[:, None] * (place < np.minimum(first[:, None] + size, count))
        rest = count - size  # events after the targets, around the end of the history to before them
        given = np.arange(model.length) < rest
        start = rng.integers(0, 1 << 40, (len(people), 1))
        turn = (start + np.arange(model.length)) % np.maximum(rest, 1)
        history = events[begin + (first[:, None] + size + turn) % count]  # (B, L) where given
        uniform = rng.integers(0, n_items, model.negatives)
        candidates = np.concatenate([targets.ravel(), uniform])
        drawn = targets.size * self._share[candidates] + model.negatives / n_items
        theirs = self._positives[people][:, candidates].toarray()
        chance, blank = rng.random((len(people), 1)), model.blank * self._hides[1] * model.history
        shown, told = chance >= blank, chance < 1.0 - blank  # of the history, of the attributes
        given &= shown
        length = given.sum(axis=1)  # (B,)
        ends, even = np.append(0, np.cumsum(length)), np.repeat(1.0 / np.maximum(length, 1), length)
        return {
            "history": sp.csr_matrix((even.astype(np.float32), history[given], ends), shape=(len(people), n_items)),
            "user_attribute": _kept(self._users[people], told[:, 0]),
            "item": candidates.astype(np.int32),
            "item_share": (rng.random(len(candidates)) >= model.blank * self._hides[0]).astype(np.float32),
            "item_attribute": self._items[candidates],
            "log_drawn": np.log(drawn).astype(np.float32), "theirs": theirs.astype(np.float32),
            "place": np.arange(targets.size, dtype=np.int32).reshape(targets.shape),
            "weight": weight.astype(np.float32),
        }  # fmt: skip


def _kept(matrix: sp.csr_matrix, rows: AnyArray) -> sp.csr_matrix:
    """The matrix with the entries of some rows alone."""
    return sp.csr_matrix(matrix.multiply(rows[:, None]))
