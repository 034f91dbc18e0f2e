"""NeuMF: a factorisation and a tower of hidden layers, joined (He et al. 2017, arXiv:1708.05031).

    out(u, i) = h [g_u * g_i ; tower(p_u, q_i)] + b_u + b_i + b,    tower = ReLU layers on [p_u; q_i]

For lists ("binary_crossentropy", y in [0, 1], s = sigmoid(out)) it minimises

    - sum over pairs of [ y log s + (1 - y) log(1 - s) - embedding_reg (|u|^2 + |i|^2) ] + reg (|W|^2 + |b|^2)

for ratings ("squared_error") sum of (r - mean - out)^2 over the known ones plus the same. The paper has no b_u and b_i.
Trained by Adam through training/, on Keras; asked in NumPy (_neumf_net.py), so serving needs no Keras.

Fit: O(epochs N (1 + negatives) H^2) for H units a layer; memory 24 (U + I) F bytes and 24 N. Score: O(I H^2) a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DataError
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.deep import _neumf_net as net
from honeyguide.models.deep import _neumf_stranger as stranger
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise
from honeyguide.training.sampling import Pointwise

_PARTS = ("factors", "tower")  # the branches
_SPREAD = 0.03  # standard deviation of the initial embeddings
_SAMPLE = 512  # items that stand for all that a stranger lacks
_MOST = 1 << 16  # people, and ratings, that what vectors are like and the noise are taken of


@dataclass(kw_only=True, eq=False)
class NeuMF(Recommender):
    """A generalised factorisation and hidden layers on user and item embeddings, for lists or for ratings.

    Lists: y = 1 for a positive ("positive") or (r - min) / (max - min) for a known rating ("scaled"), 0 for the others,
    of which `negatives` are drawn for each known pair in each epoch, or "all" taken. `reweight` lets drawn ones count
    for all those they stand for, so that the sampled loss equals that of "all" in expectation; lists are usually better
    without. `target`, `negatives` and `reweight` have no part in "squared_error", which learns known ratings alone.
    The rate of Adam falls linearly to 0 over the epochs; in pretraining it stays.
    """

    fold_in: ClassVar[FoldIn] = "approximate"
    shapes: ClassVar[Mapping[str, str]] = {
        "users_": "UW", "items_": "IW", "mean_user_": "W", "basis_": "WW", "curvature_": "W",
        "sample_": "S", "stands_": "S", "rated_": "I",
    }  # fmt: skip

    factors: int = param(48, low=1, tune=(8, 128, "log"), help="length of each of the two embeddings of a user or item")
    hidden: tuple[int, ...] = param((64,), low=1, help="units of the hidden layers, none for a factorisation alone")
    objective: Literal["binary_crossentropy", "squared_error"] = param(
        "binary_crossentropy", help="binary_crossentropy for lists, squared_error for ratings"
    )
    target: Literal["positive", "scaled"] = param(
        "positive", help="y of a known pair: 1 if positive, or the rating scaled to 0 … 1"
    )
    negatives: int | Literal["all"] = param(
        30, low=0, tune=(4, 50, "log"), help="pairs drawn for each known one, or all"
    )
    reweight: bool = param(False, help="let drawn pairs count for all that they stand for")
    reg: float = param(1.0, low=0.0, tune=(1e-2, 1e3, "log"), help="L2 weight on the weights and biases of the layers")
    embedding_reg: float | None = param(
        None,
        low=0.0,
        tune=(1e-4, 0.3, "log"),
        help="L2 weight on the embeddings, for each pair; none: 0.001, of ratings 0.06",
    )
    dropout: float | None = param(
        None,
        low=0.0,
        high=0.9,
        tune=(0.0, 0.6),
        help="share of units left out at random in a step; none: 0, of ratings 0.3",
    )
    learning_rate: float = param(6e-3, low=1e-6, tune=(1e-3, 2e-2, "log"), help="step of Adam, at first")
    batch_size: int = param(256, low=1, tune=(64, 2048, "log"), help="known pairs in a step")
    epochs: int = param(6, low=1, tune=(3, 30, "log"), help="passes over the data")
    pretrain: int = param(0, low=0, help="passes that each branch is trained alone first, to begin at their mean")

    @property
    def task(self) -> Task:  # type: ignore[override]
        """ "ranking" for binary cross-entropy, "rating" for squared error."""
        return "ranking" if self._logistic else "rating"

    @property
    def _embedding_reg(self) -> float:
        return self.embedding_reg if self.embedding_reg is not None else 0.001 if self._logistic else 0.06

    @property
    def _dropout(self) -> float:
        return self.dropout if self.dropout is not None else 0.0 if self._logistic else 0.3

    @property
    def _logistic(self) -> bool:
        return self.objective == "binary_crossentropy"

    @property
    def _parts(self) -> tuple[str, ...]:
        return _PARTS if self.hidden else _PARTS[:1]

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        known = self._known(data.profiles())  # (U, I)
        terms = Pointwise(known, negatives=self.negatives if self._logistic else 0, reweight=self.reweight)
        self.mean_ = 0.0 if self._logistic else float(known.data.mean())
        keras, rng = backend.keras(run), run.rng(0)
        begin = self._joined if self.pretrain and self.hidden else self._begun
        tables, layers = begin(keras, data, terms, self._parts, run, rng)
        objective = self._objective(keras, tables, layers, terms, self._parts)
        steps, rate = self.epochs * terms.steps(self.batch_size), self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.0, 1.0 - (t - 1) / steps), run=run)
        counts = np.bincount(known.indices, minlength=data.n_items).astype(np.int64)
        self.rated_ = counts > 0
        self.sample_, self.stands_ = stranger.draw(counts, _SAMPLE)
        for _ in trainer.epochs(self.epochs, rng):
            trainer.epoch(terms.epoch(self.batch_size, rng))
            self._take(trainer, known, counts)
            yield

    def _begun(
        self, keras: Any, data: Dataset, _: Pointwise, parts: Sequence[str], run: Run, rng: np.random.Generator
    ) -> tuple[dict[str, FloatArray], list[Any]]:
        """Tables and layers of a network with these parts, at random."""
        layers = self._layers(keras, run.seed, parts)
        initialise(layers, rng)
        width = self.factors * len(parts) + 1
        sides = {"users": data.n_users, "items": data.n_items}
        return {name: rng.normal(0.0, _SPREAD, (n, width)).astype(np.float32) for name, n in sides.items()}, layers

    def _objective(
        self, keras: Any, tables: Mapping[str, FloatArray], layers: list[Any], terms: Pointwise, parts: Sequence[str]
    ) -> Objective:
        loss = self._loss(keras.ops, layers, terms, parts)
        return Objective(tables, {"user": "users", "item": "items"}, loss, layers)

    def _alone(
        self, keras: Any, data: Dataset, terms: Pointwise, part: str, run: Run, rng: np.random.Generator
    ) -> tuple[dict[str, FloatArray], list[FloatArray]]:
        """Tables and weights of one branch, trained without the other (section 3.4.1 of the paper)."""
        tables, layers = self._begun(keras, data, terms, (part,), run, rng)
        objective = self._objective(keras, tables, layers, terms, (part,))
        trainer = Trainer(objective, learning_rate=self.learning_rate, run=run)
        for _ in range(self.pretrain):
            trainer.epoch(terms.epoch(self.batch_size, rng))
        return {name: trainer.table(name) for name in tables}, list(trainer.weights())

    def _joined(
        self, keras: Any, data: Dataset, terms: Pointwise, parts: Sequence[str], run: Run, rng: np.random.Generator
    ) -> tuple[dict[str, FloatArray], list[Any]]:
        """The network whose output is the mean of its branches', each of them trained alone."""
        (first, weights), (second, more) = (self._alone(keras, data, terms, part, run, rng) for part in parts)
        tables, layers = self._begun(keras, data, terms, parts, run, rng)
        for name in tables:
            bias = (first[name][:, -1:] + second[name][:, -1:]) / 2.0
            tables[name] = np.concatenate([first[name][:, :-1], second[name][:, :-1], bias], axis=1)
        variables = [variable for layer in layers for variable in layer.trainable_variables]
        output = np.concatenate([weights[-2], more[-2]]) / 2.0, (weights[-1] + more[-1]) / 2.0
        for variable, value in zip(variables, [*more[:-2], *output], strict=True):
            variable.assign(value)
        return tables, layers

    def _known(self, profiles: Profiles) -> sp.csr_matrix:
        """(B, I) what is learnt of each known pair: y of lists, or the rating."""
        if self._logistic and self.target == "positive":
            return profiles.positives()
        known, scale = profiles.matrix(), profiles.schema.scale
        if self._logistic:
            if scale is None:
                raise DataError("NeuMF.target='scaled' needs ratings and these data hold none; use target='positive'")
            known.data = (known.data - scale[0]) / max(scale[1] - scale[0], 1e-9)
        return known

    def _layers(self, keras: Any, seed: int, parts: Sequence[str]) -> list[Any]:
        """Built layers in the order of `Net`'s weights, a Dropout after each hidden one."""
        layers, width = [], 0
        for place, units in enumerate(self.hidden if "tower" in parts else ()):
            if place == 0:
                layers += [keras.layers.Dense(units, use_bias=False), keras.layers.Dense(units)]
                layers[0].build((None, self.factors))
            else:
                layers.append(keras.layers.Dense(units, activation=None))
            layers[-1].build((None, width or self.factors))
            layers.append(keras.layers.Dropout(self._dropout, seed=seed + place))
            width = units
        layers.append(keras.layers.Dense(1))
        layers[-1].build((None, width + self.factors * ("factors" in parts)))
        return layers

    def _output(self, ops: Any, layers: list[Any], users: Any, items: Any, parts: Sequence[str]) -> Any:
        """out (B, C) of users (B, 1, W) with items (B, C, W).

        Layers are given matrices, (B C, H): XLA's gradient along a kernel takes three times as long of (B, C, H).
        """
        factors, joined = self.factors, []
        shape = items.shape[:2]

        def flat(array: Any) -> Any:
            return ops.reshape(array, (-1, array.shape[-1]))

        if "factors" in parts:
            joined.append(flat(users[..., :factors] * items[..., :factors]))  # (B C, F)
        if "tower" in parts:
            first, second, drop, *more = layers[:-1]
            user, item = first(flat(users[..., -1 - factors : -1])), second(flat(items[..., -1 - factors : -1]))
            layer = flat(ops.reshape(item, (*shape, -1)) + user[:, None])  # (B C, H)
            layer = drop(ops.relu(layer), training=True)
            for dense, drop in zip(more[::2], more[1::2], strict=True):
                layer = drop(ops.relu(dense(layer)), training=True)
            joined.append(layer)
        read = joined[0] if len(joined) == 1 else ops.concatenate(joined, axis=-1)
        return ops.reshape(layers[-1](read), shape) + users[..., -1] + items[..., -1]

    def _loss(self, ops: Any, layers: list[Any], terms: Pointwise, parts: Sequence[str]) -> Any:
        """The objective over the epoch's number of terms, as a batch estimates it."""
        each = terms.steps(self.batch_size) / terms.total
        weights = [variable for layer in layers for variable in layer.trainable_variables]

        def loss(rows: Any, batch: Any) -> Any:
            users, items = rows["user"][:, None], rows["item"]  # (B, 1, W), (B, C, W)
            out = self._output(ops, layers, users, items, parts)
            if self._logistic:  # -y log s - (1 - y) log(1 - s) = softplus(out) - y out
                term = ops.softplus(out) - batch["target"] * out
            else:
                term = ops.square(batch["target"] - self.mean_ - out)
            if self._embedding_reg:
                ones = ops.ones((users.shape[-1], 1))  # a product: XLA adds up rows one number at a time
                squares = ops.matmul(ops.square(users), ones)[..., 0] + ops.matmul(ops.square(items), ones)[..., 0]
                term = term + self._embedding_reg * squares
            total = each * ops.sum(batch["weight"] * term)
            if self.reg:
                total = total + self.reg / terms.total * sum(ops.sum(ops.square(weight)) for weight in weights)
            return total

        return loss

    def _take(self, trainer: Trainer, known: sp.csr_matrix, counts: LongArray) -> None:
        """Learned state from the trainer; people without a known pair get the mean of the others."""
        self.users_, self.items_ = trainer.table("users"), trainer.table("items")
        self.weights_ = trainer.weights()
        trained = np.diff(known.indptr) > 0
        some = np.flatnonzero(trained)
        prior = self._prior(known, counts, self.users_[some[:: max(1, len(some) // _MOST)]])
        self.mean_user_, self.basis_, self.curvature_ = prior.mean, prior.basis, prior.curvature
        self.users_[~trained] = self.mean_user_

    def _prior(self, known: sp.csr_matrix, counts: LongArray, users: FloatArray) -> stranger.Prior:
        """What the vectors of trained people (U, W) are like, and the curvature of the loss for a pair."""
        drawn = float(self._drawn(np.diff(known.indptr)).sum())
        total = max(1.0, known.nnz + drawn)
        had = self.stands_ * counts[self.sample_]
        noise = None
        if not self._logistic:
            some = slice(None, None, max(1, known.nnz // _MOST))
            rows = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))[some]
            out = self._net.pairs(self.users_[rows], self.items_[known.indices[some]])
            noise = 2.0 * max(float(np.mean((known.data[some] - self.mean_ - out) ** 2)), 1e-6)
        shares = drawn / total * self.stands_ / known.shape[1], known.nnz / total * had / max(1.0, had.sum())
        return stranger.Prior.of(self._net, users, self.items_[self.sample_], *shares, noise=noise)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        out = self._net.grid(self._vectors(profiles), self.items_ if items is None else self.items_[items])  # (B, C)
        if not self._logistic:
            rated = self.rated_ if items is None else self.rated_[items]
            out = np.where(rated, out, np.float32(0.0)) + np.float32(self.mean_)
        return out

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        if self._logistic:
            return super().rate(profiles, pairs)
        people, codes = self._vectors(profiles), np.maximum(pairs.items, 0)
        out = self._net.pairs(people[pairs.rows], self.items_[codes])
        return np.where((pairs.items >= 0) & self.rated_[codes], out, np.float32(0.0)) + np.float32(self.mean_)

    def similarity(self, items: IntArray) -> FloatArray:
        """The cosine (C, I) of the items' embeddings, both of them end to end."""
        unit = self.items_[:, :-1] / np.maximum(np.linalg.norm(self.items_[:, :-1], axis=1, keepdims=True), 1e-9)
        return np.asarray(unit[items] @ unit.T)

    def memory(self, shape: Shape) -> int:
        width = 2 * self.factors + 1
        drawn = 16 if self.negatives == "all" else 1 + self.negatives
        pairs = self.batch_size * drawn * (2 * self.factors + 3 * sum(self.hidden) + 8)
        return 20 * (shape.users + shape.items) * width + 40 * shape.events + 12 * pairs

    @property
    def _net(self) -> net.Net:
        return net.Net(self.factors, self.weights_)

    def _vectors(self, profiles: Profiles) -> FloatArray:
        """(B, W): trained where the person is known, else fitted to the history; the mean where that is empty."""
        out = np.repeat(self.mean_user_[None], len(profiles), axis=0)
        known = profiles.known >= 0
        out[known] = self.users_[profiles.known[known]]
        strangers = np.flatnonzero(~known)
        if len(strangers):
            targets = self._known(profiles.take(strangers))  # (S, I)
            some = np.flatnonzero(np.diff(targets.indptr))
            if len(some):
                out[strangers[some]] = self._folded(targets[some])
        return out

    def _folded(self, targets: sp.csr_matrix) -> FloatArray:
        """Vectors (S, W) of new people from their known pairs (S, I), none empty."""
        prior = stranger.Prior(self.mean_user_, self.basis_, self.curvature_)
        return stranger.fold_in(
            self._net, self.items_, self.sample_, self._terms(targets), prior, logistic=self._logistic
        )

    def _terms(self, targets: sp.csr_matrix) -> stranger.Terms:
        """The known pairs, and for the others the sample, which carries their whole expected weight."""
        held = np.diff(targets.indptr)
        if not self._logistic:
            known = sp.csr_matrix(
                (targets.data - np.float32(self.mean_), targets.indices, targets.indptr), targets.shape
            )
            return stranger.Terms(known, np.zeros((len(held), 0), np.float32), held.astype(np.float32))
        drawn, had = self._drawn(held), targets.copy()
        had.data = np.ones_like(had.data)
        lacking = self.stands_ * (1.0 - had[:, self.sample_].toarray())  # (S, M)
        lacking *= (drawn / np.maximum(lacking.sum(axis=1), 1e-9))[:, None]
        return stranger.Terms(targets, lacking.astype(np.float32), (held + drawn).astype(np.float32))

    def _drawn(self, held: IntArray) -> LongArray:
        """The weight (S,) of all that people lack who have so many items."""
        lacking = len(self.items_) - held.astype(np.int64)
        if not self._logistic:
            return np.zeros_like(lacking)
        if self.reweight or self.negatives == "all":
            return lacking
        return np.where(lacking > 0, self.negatives * held.astype(np.int64), 0)
