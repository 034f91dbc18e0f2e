"""Mult-VAE: an autoencoder of histories with a multinomial likelihood (Liang et al. 2018, arXiv:1802.05814).

A person's positives x (I,), ones and zeros, are scaled to length 1 and a share of them is hidden; tanh layers make of
them the mean m (Z,) and the variance exp(v) (Z,) of a code; tanh layers make of a code the logits f(z) (I,) of a
multinomial, pi = softmax(f(z)). Over the people with positives it minimises

    mean of E[ - sum over i of x_i log pi_i ] + b KL(N(m, exp(v)) | N(0, 1)) + reg (sum of squares of all kernels)

    KL = sum over Z of (exp(v) + m^2 - 1 - v) / 2,    z = m + exp(v / 2) noise

where b rises from 0 to `beta` (section 2.2.2), by Adam. `variational=False` is Mult-DAE: the code is m, and there is no
KL. Trained through training/, on Keras; asked in NumPy, so serving needs no Keras.

Fit: O(epochs U I H) for H units next to the items; memory 48 I H, and 24 B I for a batch of B people. A person is
encoded from the history, O(n H + H Z). Score: O(H) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise, offset, uniform
from honeyguide.training.rows import Rows, block, sparse

_ENCODED = 512  # people whose histories are encoded at once


@dataclass(kw_only=True, eq=False)
class MultVAE(Recommender):
    """Score an item by its logit, given the code that the history is encoded as: known people and strangers alike."""

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"input_": "IH", "item_vectors_": "IK"}

    hidden: tuple[int, ...] = param((), low=1, help="units of the layers to the code and back; (600,) in the paper")
    latent: int = param(200, low=1, tune=(32, 256, "log"), help="length of the code")
    variational: bool = param(True, help="a code has a variance, and a prior (Mult-VAE); without: Mult-DAE")
    beta: float = param(0.2, low=0.0, tune=(0.02, 1.0, "log"), help="weight of the KL divergence at its highest")
    anneal: float = param(0.5, low=0.0, high=1.0, help="share of the steps in which that weight rises from 0")
    dropout: float = param(0.7, low=0.0, high=0.9, tune=(0.2, 0.8), help="share of a history hidden in a step")
    reg: float = param(0.0, low=0.0, help="L2 weight on the kernels")
    learning_rate: float = param(2e-3, low=1e-6, tune=(3e-4, 5e-3, "log"), help="step of Adam")
    batch_size: int = param(50, low=1, tune=(25, 500, "log"), help="people in a step")
    epochs: int = param(50, low=1, tune=(20, 100, "log"), help="passes over the people")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        keras, rows, rng = backend.keras(run), Rows(_scaled(data.positives())), run.rng(0)
        layers, kernel = self._layers(keras, data.n_items, rng)
        reg = {"input": self.reg} if self.reg else {}
        objective = Objective(
            {"input": kernel}, {}, self._loss(keras.ops, layers, rows), layers, bags={"input": "input"}, decays=reg
        )
        trainer = Trainer(objective, learning_rate=self.learning_rate, run=run)
        for epoch in trainer.epochs(self.epochs):
            trainer.epoch(self._batches(rows, epoch, run.rng(1, epoch)))
            self._take(trainer.table("input"), trainer.weights())
            yield

    def _batches(self, rows: Rows, epoch: int, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """The batches of an epoch, 1 the first: a share of the entries hidden, noise for the codes, the KL's weight."""
        steps = rows.steps(self.batch_size)
        rising = max(1.0, self.anneal * self.epochs * steps)
        for step, batch in enumerate(rows.epoch(self.batch_size, rng), start=(epoch - 1) * steps + 1):
            value = batch.pop("value")
            kept = rng.random(len(value), np.float32) >= self.dropout
            batch["input"] = sparse(batch, value * kept * np.float32(1.0 / (1.0 - self.dropout)), rows.width)
            if self.variational:
                batch["noise"] = rng.standard_normal((len(batch["weight"]), self.latent), np.float32)
                batch["beta"] = np.array(self.beta * min(1.0, step / rising), np.float32)
            yield batch

    def _layers(self, keras: Any, n_items: int, rng: np.random.Generator) -> tuple[list[Any], FloatArray]:
        """Built layers from the items to the code, whose last gives m and v side by side, and on to the items.

        Of the first, which reads sparse rows, the layer is the bias alone; its kernel (I, H) is given beside.
        """
        code = len(self.hidden)
        units = [*self.hidden, self.latent, *reversed(self.hidden), n_items]
        units[code] *= 2 if self.variational else 1
        kernel, layers = uniform((n_items, units[0]), rng), [offset(keras, units[0])]
        below = units[0] if code else self.latent
        for place, width in enumerate(units[1:], start=1):
            layers.append(keras.layers.Dense(width, activation=None if self._linear(place) else "tanh"))
            layers[-1].build((None, below))
            below = self.latent if place == code else width
        initialise(layers, rng)
        return layers, kernel

    def _linear(self, place: int) -> bool:
        """Whether the layer of that number gives codes or logits, the others having a tanh."""
        return place in (len(self.hidden), 2 * len(self.hidden) + 1)

    def _loss(self, ops: Any, layers: list[Any], rows: Rows) -> Any:
        """The objective, as a batch estimates it."""
        each = rows.steps(self.batch_size) / rows.count
        code = len(self.hidden) + 1

        def loss(found: Any, batch: Any) -> Any:
            layer = found["input"] + layers[0].bias  # (B, H)
            layer = layer if self._linear(0) else ops.tanh(layer)
            for dense in layers[1:code]:
                layer = dense(layer)
            term = 0.0
            if self.variational:
                mean, log_variance = layer[:, : self.latent], layer[:, self.latent :]  # (B, Z) each
                divergence = 0.5 * (ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance)
                term = batch["beta"] * ops.sum(divergence, axis=1)
                layer = mean + ops.exp(0.5 * log_variance) * batch["noise"]
            for dense in layers[code:]:
                layer = dense(layer)
            positives = block(ops, batch, batch["there"], rows.width)  # (B, I)
            count = ops.sum(positives, axis=1)  # (B,)
            term = term + count * ops.logsumexp(layer, axis=1) - ops.sum(positives * layer, axis=1)
            total = each * ops.sum(batch["weight"] * term)
            if self.reg:
                total = total + self.reg * sum(ops.sum(ops.square(dense.kernel)) for dense in layers[1:])
            return total

        return loss

    def _take(self, first: FloatArray, weights: tuple[FloatArray, ...]) -> None:
        """Learned state from the first kernel and the layers' weights: of the code, the mean alone."""
        kernels, biases = [first, *weights[1::2]], list(weights[::2])
        code = len(self.hidden)
        kernels[code], biases[code] = kernels[code][:, : self.latent], biases[code][: self.latent]
        self.input_, self.kernels_ = kernels[0], tuple(kernels[1:-1])
        self.biases_ = tuple(biases[:-1])
        self.item_vectors_ = np.column_stack([kernels[-1].T, biases[-1]])  # (I, K)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, K) the layer below the items, of each profile, and 1."""
        self._need_fit()
        parts = (run or Run(threads=1)).map(self._encoded, len(profiles), profiles, block=_ENCODED)
        return np.concatenate(parts) if parts else np.zeros((0, self.item_vectors_.shape[1]), np.float32)

    def _encoded(self, start: int, stop: int, profiles: Profiles) -> FloatArray:
        layer = _scaled(profiles.take(slice(start, stop)).positives()) @ self.input_  # (B, H)
        for place, bias in enumerate(self.biases_):
            layer = (layer if place == 0 else layer @ self.kernels_[place - 1]) + bias
            if not self._linear(place):
                np.tanh(layer, out=layer)
        return np.column_stack([layer, np.ones(len(layer), np.float32)])

    def item_vectors(self) -> FloatArray:
        """(I, K) what an item's logit is made of: its weights on the layer below, and its bias."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' weights on the layer below them."""
        return cosines(self.item_vectors_[:, :-1], items)

    def memory(self, shape: Shape) -> int:
        widths = [shape.items, *self.hidden, 2 * self.latent]
        weights = 2 * sum(below * above for below, above in pairwise(widths))
        people = min(self.batch_size, shape.users)
        return 24 * weights + 24 * people * shape.items + 32 * shape.events


def _scaled(positives: sp.csr_matrix) -> sp.csr_matrix:
    """The rows (B, I) of ones, each scaled to length 1."""
    counts = np.diff(positives.indptr)
    positives.data = np.repeat(1.0 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    return positives
