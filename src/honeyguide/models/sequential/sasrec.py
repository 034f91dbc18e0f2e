"""SASRec: self-attention over a history foretells what comes next (Kang and McAuley 2018, arXiv:1808.09781).

    x_t = sqrt(D) e_(item t) + p_(n - t),  then of each block  x = x + A(norm(x)) O,  x = x + F(norm(x)),  h = norm(x)

    A(y)_t = sum over s <= t of softmax_s(q_t k_s / sqrt(D / heads)) v_s,   q, k, v = y Q, y K, y V,   of each head
    F(y) = relu(y W_1 + b_1) W_2 + b_2                                      "sasrec"
    F(y) = (silu(y W_1) * y W_2) W_3, and what is added to x is multiplied, in each sum, by sigmoid(x G + g)    "ligr"

A block's parts are given normed sums, as is usual today (in the paper the normed query is what is added to). "ligr" are
the gated blocks of eSASRec (Tikhonovich et al. 2025, arXiv:2508.06450). Places are counted from the end of the n events
that are read, as in RecTools: the last one has the same place when trained and when asked, however long the history.

    s(u, i) = cos(h, e_i) / temperature,   h after the last event;   without a temperature   h e_i, as in the paper

With a temperature the vectors e of items have length 1, where they are read too: no length is learnt by heart of an
item with few events (Wu et al. 2022, arXiv:2201.02327; CORE, Hou et al. 2022, arXiv:2204.11067). Trained by Adam is
softmax cross-entropy at every place, over all items or drawn ones (training/softmax.py; Klenitskiy and Vasilev 2023,
arXiv:2309.07602), of histories of which each epoch leaves other events out (training/sequences.py). Asked in NumPy
(_transformer.py), without Keras.

Fit: O(epochs N D (D + length + negatives)) for N events, whatever their histories' lengths (training/sequences.py).
Score: O(length D (D + length) + I D) a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError
from honeyguide.kernels.spectrum import cosines
from honeyguide.models import vectors
from honeyguide.models.base import Recommender, Task
from honeyguide.models.sequential._blocks import Blocks, hidden_units
from honeyguide.models.sequential._transformer import Transformer
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend, softmax
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise
from honeyguide.training.sequences import NextEvents

_SPREAD = 0.02  # standard deviation of the initial vectors


@dataclass(kw_only=True, eq=False)
class SASRec(Recommender):
    """What comes next after the last `length` positive events of a history, in their order, repeats kept.

    A person is what their history says: nothing is learnt of people, so that one new, or with one more event, is served
    at once. Someone without history gets the vector under which items score nearest to the logarithm of how often they
    occur, by least squares. The rate of Adam falls linearly to 0 over the epochs.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"items_": "ID", "places_": "LD", "nobody_": "D"}

    factors: int = param(128, low=1, tune=(32, 256, "log"), help="numbers in a vector")
    blocks: int = param(2, low=1, tune=(1, 3), help="blocks of attention and feed-forward")
    heads: int = param(1, low=1, help="heads of attention; a divisor of factors")
    block: Literal["sasrec", "ligr"] = param("sasrec", help="sasrec as in the paper, or with the gates of ligr")
    length: int = param(50, low=1, tune=(20, 200, "log"), help="last events of a history that are read")
    negatives: int | Literal["all"] = param(
        512, low=1, tune=(128, 2048, "log"), help="items drawn for a step, to be told from what came next, or all"
    )
    temperature: float | None = param(
        0.07, low=1e-3, tune=(0.03, 0.2, "log"), help="what cosines are divided by; none: products of vectors instead"
    )
    omit: float = param(
        0.5, low=0.0, high=0.9, tune=(0.0, 0.9), help="most of a history's events that an epoch leaves out, a share"
    )
    dropout: float = param(
        0.3, low=0.0, high=0.9, tune=(0.1, 0.6), help="share of numbers left out at random in a step"
    )
    learning_rate: float = param(3e-3, low=1e-6, tune=(5e-4, 1e-2, "log"), help="step of Adam, at first")
    batch_size: int = param(2048, low=1, tune=(512, 8192, "log"), help="events foretold in a step")
    epochs: int = param(60, low=1, tune=(10, 200, "log"), help="passes over the data")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_heads()

    def _check_heads(self) -> None:
        if self.factors % self.heads:
            raise ParameterError(f"SASRec.heads must divide SASRec.factors, {self.factors}, got {self.heads}.")

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        self._check_heads()  # someone may have set one since
        held = self._held(data.profiles())
        terms = NextEvents(held.indptr, held.items, length=self.length, events=self.batch_size, omit=self.omit)
        counts = np.bincount(held.items, minlength=data.n_items)
        keras, rng, chance = backend.keras(run), run.rng(0), run.rng(1)
        network = Blocks(
            keras, factors=self.factors, count=self.blocks, heads=self.heads, kind=self.block, dropout=self.dropout
        )
        initialise(network.layers, rng)
        sizes = {"items": data.n_items, "places": terms.width}
        tables = {name: rng.normal(0.0, _SPREAD, (n, self.factors)).astype(np.float32) for name, n in sizes.items()}
        lookups = {"item": "items", "target": "items", "negative": "items", "left": "places"}
        objective = Objective(tables, lookups, self._loss(keras.ops, network, data.n_items), network.layers)
        steps, rate = self.epochs * terms.steps(), self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.01, 1.0 - (t - 1) / steps), run=run)
        for _ in trainer.epochs(self.epochs, chance):
            trainer.epoch(self._batches(terms, data.n_items, chance))
            self._take(trainer, counts)
            yield

    def _held(self, profiles: Profiles) -> Profiles:
        """The profiles with only their positive events."""
        mask = profiles.schema.positive.mask(profiles.values)
        return profiles if mask.all() else profiles.where_events(mask)

    def _batches(self, terms: NextEvents, n_items: int, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """The batches of an epoch, with the items drawn for each and the seed of its dropout."""
        count = n_items if self.negatives == "all" else self.negatives
        for batch in terms.epoch(rng):
            drawn = softmax.draw(n_items, count, rng)
            hit = softmax.drawn_among(batch["target"], drawn, n_items)
            yield {**batch, "negative": drawn, "hit": hit, "seed": rng.integers(2**32, size=(), dtype=np.uint32)}

    def _loss(self, ops: Any, network: Blocks, n_items: int) -> Any:
        """The mean cross-entropy of an epoch's events, as a batch estimates it."""

        def loss(rows: Any, batch: Any) -> Any:
            item, target, drawn = (self._scaled(ops, rows[name]) for name in ("item", "target", "negative"))
            x = item * self.factors**0.5 + rows["left"]  # (R, L, D)
            out = self._scaled(ops, network.run(x, batch["place"], batch["seed"]), 1.0 / (self.temperature or 1.0))
            each = softmax.cross_entropy(
                ops, ops.reshape(out, (-1, self.factors)), ops.reshape(target, (-1, self.factors)), drawn,
                ops.reshape(batch["hit"], (-1,)), n_items=n_items,
            )  # fmt: skip
            return ops.sum(ops.reshape(batch["weight"], (-1,)) * each)

        return loss

    def _scaled(self, ops: Any, x: Any, length: float = 1.0) -> Any:
        """Vectors (..., D) at a length, or as they are where there is no temperature; `ops` is keras.ops or NumPy."""
        if self.temperature is None:
            return x
        return x * (length / ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True) + 1e-12))

    def _take(self, trainer: Trainer, counts: AnyArray) -> None:
        """Learned state from the trainer."""
        self.items_ = np.asarray(self._scaled(np, trainer.table("items")), np.float32)
        self.places_, self.weights_ = trainer.table("places"), trainer.weights()
        self.nobody_ = _of_counts(self.items_, counts)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, D) the output after the last event of each profile, of length 1 / temperature where there is one."""
        self._need_fit()
        held = self._held(profiles)
        network = Transformer(self.heads, self.block, self.items_, self.places_, self.weights_)
        with vectors.one_thread_each:  # of BLAS: products are small, and its threads wait for each other
            out = network.last(held.indptr, held.items, run or Run())
        out = np.asarray(self._scaled(np, out, 1.0 / (self.temperature or 1.0)), np.float32)
        out[np.diff(held.indptr) == 0] = self.nobody_
        return out

    def item_vectors(self) -> FloatArray:
        """(I, D) the vector of each item."""
        self._need_fit()
        return self.items_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        rows = self.items_ if items is None else self.items_[items]
        return self.user_vectors(profiles) @ rows.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """The cosines (C, I) of the items' vectors."""
        return cosines(self.items_, items)

    def memory(self, shape: Shape) -> int:
        width, hidden = self.factors, hidden_units(self.factors, self.block)
        drawn = shape.items if self.negatives == "all" else min(self.negatives, shape.items)
        events = max(self.batch_size, self.length)
        step = 4 * events * (3 * drawn + self.blocks * (14 * width + 4 * hidden + 4 * self.heads * self.length))
        step += 4 * width * (6 * events + 3 * drawn)  # vectors at their length, and what flows back through it
        return 20 * (shape.items + self.length) * width + 72 * shape.events + step


def _of_counts(items: FloatArray, counts: AnyArray) -> FloatArray:
    """The vector (D,) whose products with the items (I, D) are nearest to log counts (I,), but for a constant.

    Least squares with the counts as weights, and a ridge of a thousandth of the mean square, for who has few items.
    """
    share = counts / max(1, counts.sum())
    wanted = np.log(np.maximum(counts, 1)).astype(np.float64)
    centred = items - share @ items  # (I, D)
    gram = (centred * share[:, None]).T @ centred  # (D, D)
    gram += 1e-3 * max(float(np.trace(gram)) / len(gram), 1e-12) * np.eye(len(gram))
    found = np.linalg.solve(gram, centred.T @ (share * (wanted - share @ wanted)))
    return np.asarray(found, np.float32)
