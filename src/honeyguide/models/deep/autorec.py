"""AutoRec: an autoencoder of ratings, by item or by person (Sedhain et al. 2015, doi:10.1145/2740908.2742726).

A row x (C,) of the known ratings of an item by C people, or of a person for C items, less each item's mean and 0 where
there is none, is rebuilt as W h + b from a code h = g(V x' + mu) (H,). Over the known ratings it minimises (eq. 2)

    sum (x_c - W_c.h - b_c)^2  +  reg / 2 (|V|^2 + |W|^2)

by Adam, whose rate falls linearly to 0. x' is x over (n / mean n)^length_power for a row of n ratings, so that a code
is not one of how many there are, and a share of x' is hidden in a step; without (`dropout=0, length_power=0`) it is the
paper's. f is the identity, as in its best results. Trained through training/, on Keras; asked in NumPy.

By item, a rating is linear in the person's W_c and b_c given the items' codes. They are solved for from the history
whenever it is asked for, with the trained ones of all people as the prior (factorization/_prior.py): W is not kept, and
a stranger is served as anyone is. By person, the history is encoded.

Fit: O(epochs U I H), for a block of B rows is dense while it is trained on; memory 24 C H, 24 B C, and 60 bytes a
rating. A person: O(n H^2 + H^3) by item, O(n H) by person. Score: O(H) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Recommender, Task
from honeyguide.models.factorization import _prior
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise, offset, uniform
from honeyguide.training.rows import Rows, block, sparse

_SHRINK = 5.0  # ratings at the mean of all that count in the mean of an item
_VARIANCE = 0.01  # in which one more person would differ from the mean of people, in the prior
_BLOCK = 256  # rows reconstructed at once


@dataclass(kw_only=True, eq=False)
class AutoRec(Recommender):
    """Rate by the item's mean and the reconstruction: of the item at the person, or of the person at the item.

    An item without ratings has the mean of all, and the mean vector of the items that have some.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {
        "item_vectors_": "IK", "mean_item_": "K", "rated_": "I", "input_": "IH", "offset_": "H",
        "prior_mean_": "P", "prior_root_": "PP",
    }  # fmt: skip

    by: Literal["item", "user"] = param("item", tune=["item", "user"], help="whose ratings are a row")
    hidden: int = param(200, low=1, tune=(50, 500, "log"), help="length H of the code")
    activation: Literal["sigmoid", "tanh", "relu", "identity"] = param("sigmoid", help="g")
    reg: float = param(60.0, low=0.0, tune=(10.0, 300.0, "log"), help="L2 weight on V and W")
    dropout: float = param(0.5, low=0.0, high=0.9, tune=(0.0, 0.8), help="share of a row hidden in a step")
    length_power: float = param(0.5, low=0.0, high=1.0, help="how much the number of a row's ratings is divided out")
    learning_rate: float = param(1e-3, low=1e-6, tune=(3e-4, 3e-3, "log"), help="step of Adam, at first")
    batch_size: int = param(64, low=1, tune=(32, 256, "log"), help="rows in a step")
    epochs: int = param(30, low=1, tune=(10, 60, "log"), help="passes over the rows")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        ratings = data.matrix()  # (U, I)
        self.rated_ = np.bincount(ratings.indices, minlength=data.n_items) > 0
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        self.means_ = _means(ratings, self.mean_)
        matrix = self._centred(ratings)
        if self.by == "item":
            matrix = matrix.T.tocsr()  # (R, C) rows of x
        lengths = np.diff(matrix.indptr)
        self.length_ = float(lengths[lengths > 0].mean())
        keras, rows, rng = backend.keras(run), Rows(matrix), run.rng(0)
        kernel = uniform((rows.width, self.hidden), rng)  # V
        layers = [offset(keras, self.hidden), keras.layers.Dense(rows.width)]
        layers[1].build((None, self.hidden))
        initialise(layers, rng)
        loss, decay = self._loss(keras, layers, rows, matrix.nnz), 0.5 * self.reg / matrix.nnz
        objective = Objective({"input": kernel}, {}, loss, layers, bags={"input": "input"}, decays={"input": decay})
        steps, rate = self.epochs * rows.steps(self.batch_size), self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.0, 1.0 - (t - 1) / steps), run=run)
        for epoch in trainer.epochs(self.epochs):
            trainer.epoch(self._batches(rows, run.rng(1, epoch)))
            self._take(trainer.table("input"), trainer.weights(), matrix)
            yield

    @property
    def _activation(self) -> str | None:
        return None if self.activation == "identity" else self.activation

    def _centred(self, ratings: sp.csr_matrix) -> sp.csr_matrix:
        """(B, I) the ratings less each item's mean."""
        data = ratings.data - self.means_[ratings.indices]
        return sp.csr_matrix((data, ratings.indices, ratings.indptr), shape=ratings.shape)

    def _input(self, values: FloatArray, lengths: AnyArray) -> FloatArray:
        """x' of entries x (E,) of rows with so many ratings (E,)."""
        scaled: FloatArray = (values * (self.length_ / np.maximum(lengths, 1)) ** self.length_power).astype(np.float32)
        return scaled

    def _batches(self, rows: Rows, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """The batches of an epoch, with x' as a step sees it: a share of the entries hidden, the others larger."""
        for batch in rows.epoch(self.batch_size, rng):
            at = batch["place"][:, 0]
            lengths = np.bincount(at, batch["there"], minlength=len(batch["weight"]))[at]
            kept = rng.random(len(at), np.float32) >= self.dropout
            shown = self._input(batch["value"], lengths) * kept / np.float32(1.0 - self.dropout)
            batch["input"] = sparse(batch, shown, rows.width)
            yield batch

    def _loss(self, keras: Any, layers: list[Any], rows: Rows, count: int) -> Any:
        """The objective over the number of ratings, as a batch estimates it, but for the weight on V."""
        each, ops = rows.steps(self.batch_size) / count, keras.ops
        activation = keras.activations.get(self._activation)

        def loss(found: Any, batch: Any) -> Any:
            ratings, there = (block(ops, batch, batch[name], rows.width) for name in ("value", "there"))
            out = layers[1](activation(found["input"] + layers[0].bias))  # (B, C)
            total = each * ops.sum(there * ops.square(ratings - out))
            if self.reg:
                total = total + 0.5 * self.reg / count * ops.sum(ops.square(layers[1].kernel))
            return total

        return loss

    def _take(self, first: FloatArray, weights: tuple[FloatArray, ...], matrix: sp.csr_matrix) -> None:
        """Learned state from V, then mu, W and b, and the rows (R, C) that were trained on."""
        self.input_, (self.offset_, kernel, bias) = first, weights
        own = np.column_stack([bias, kernel.T])  # (C, 1 + H)
        if self.by == "user":
            items = own
        else:
            items = np.column_stack([np.ones(matrix.shape[0], np.float32), self._codes(matrix)])  # (I, 1 + H)
            told = np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0  # (U,)
            noise = _residual(matrix, items, own)
            prior = _prior.fitted(own * told[:, None], int(told.sum()), _VARIANCE, noise)
            self.prior_mean_, self.prior_root_ = prior
            del self.input_, self.offset_
        self._keep(items)

    def _keep(self, items: FloatArray) -> None:
        """Set the items' vectors (I, K): what meets the person's, and the mean rating."""
        vectors = np.column_stack([items, self.means_]).astype(np.float32)
        self.mean_item_ = vectors[self.rated_].mean(axis=0)
        self.mean_item_[-1] = self.mean_
        vectors[~self.rated_] = self.mean_item_
        self.item_vectors_ = vectors

    def _codes(self, matrix: sp.csr_matrix) -> FloatArray:
        """(B, H) the codes of rows (B, C)."""
        lengths = np.diff(matrix.indptr)
        given = self._input(matrix.data, np.repeat(lengths, lengths))
        layer = sp.csr_matrix((given, matrix.indices, matrix.indptr), shape=matrix.shape) @ self.input_ + self.offset_
        match self.activation:
            case "sigmoid":
                return np.asarray(0.5 * (np.tanh(0.5 * layer) + 1.0), np.float32)
            case "tanh":
                return np.asarray(np.tanh(layer), np.float32)
            case "relu":
                return np.asarray(np.maximum(layer, 0.0), np.float32)
            case _:
                return np.asarray(layer, np.float32)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, K) b and W of each profile, or 1 and its code; and 1."""
        self._need_fit()
        ratings = self._centred(profiles.matrix())
        if self.by == "user":
            own = np.column_stack([np.ones(len(profiles), np.float32), self._codes(ratings)])
        else:
            told, columns = _prior.compact(ratings)
            prior = self.prior_mean_, self.prior_root_
            own = _prior.folded(told, self.item_vectors_[columns, :-1], prior, run or Run(threads=1))
        return np.column_stack([own, np.ones(len(own), np.float32)])

    def item_vectors(self) -> FloatArray:
        """(I, K) 1 and the code of each item, or b and W; and its mean rating."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        vectors = np.where((pairs.items >= 0)[:, None], self.item_vectors_[pairs.items], self.mean_item_)
        ratings: FloatArray = np.einsum("nk,nk->n", self.user_vectors(profiles)[pairs.rows], vectors)
        return ratings

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of what the items' codes or weights differ from the mean by; -inf for items without ratings."""
        near = cosines(self.item_vectors_[:, 1:-1] - self.mean_item_[1:-1], items)
        near[:, ~self.rated_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        rows, width = (shape.items, shape.users) if self.by == "item" else (shape.users, shape.items)
        blocks = 4 * width * (6 * min(self.batch_size, rows) + _BLOCK)
        return 56 * self.hidden * width + 12 * self.hidden * rows + blocks + 80 * shape.events + 32 * self.hidden**2


def _means(ratings: sp.csr_matrix, mean: float) -> FloatArray:
    """(I,) the mean rating of each item, drawn to the mean of all by a few ratings."""
    counts = np.bincount(ratings.indices, minlength=ratings.shape[1])
    above = np.bincount(ratings.indices, ratings.data - mean, minlength=ratings.shape[1])
    return np.asarray(mean + above / (counts + _SHRINK), np.float32)


def _residual(matrix: sp.csr_matrix, rows: FloatArray, columns: FloatArray) -> float:
    """The mean of (x_rc - rows_r.columns_c)^2 over the entries of a matrix (R, C)."""
    total: float = 0.0
    for first in range(0, matrix.shape[0], _BLOCK):
        part = matrix[first : first + _BLOCK]
        out = rows[first : first + _BLOCK] @ columns.T  # (_BLOCK, C)
        at = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        total += float(np.sum((part.data - out[at, part.indices]) ** 2, dtype=np.float64))
    return total / int(matrix.nnz)
