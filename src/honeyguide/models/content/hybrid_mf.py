"""Factorisation of implicit feedback whose vectors begin at what attributes say, and end where events lead them.

    sum over all (u, i) of c_ui (p_ui - x_u.y_i)^2
        + sum over u of r_u |x_u - A'a_u|^2  + attribute_reg mean(r_u) |A|^2
        + sum over i of r_i |y_i - B'b_i|^2  + attribute_reg mean(r_i) |B|^2

with a_u and b_i the attributes of people and items (data/features.py), r_u = reg c_u^nu and r_i = reg c_i^nu, and p, c
and the sums c_u, c_i as in als.py, whose objective this is where nothing is known of anyone or anything. So a vector is
a sum over attributes and a part of its own (LightFM: Kula 2015, arXiv:1507.08439), the latter shrunk by the penalty:
who has a few events is where others of the same attributes are, who has many is where als would have them (Agarwal and
Chen 2009, doi:10.1145/1557019.1557029, without the noise).

Each of x, A, y and B in turn is the best there is given the others: x and y by two steps of the conjugate gradient
(kernels/confidence.py; a prior mean m adds r m to the right side, as an entry of weight 0 and the vector r m does), A
and B by a ridge regression of the vectors on the attributes. The objective falls with each. Someone without events has
the vector A'a, something without events B'b; neither is in the sums above.

Fit: that of als and O(D^3) once for D attributes, O(D^2 F + cells F) an epoch; memory 28 D^2 bytes and 28 F (U + I). A
person is solved for in O(n F) a step; score O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import polars as pl
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.features import Features
from honeyguide.data.profiles import Profiles
from honeyguide.kernels.confidence import descend
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.models.content import _preferences
from honeyguide.models.contributions import Part, held, spread
from honeyguide.params import param
from honeyguide.run import Run

_ROWS = 64  # rows a thread solves at once
_FOLDED = 512  # people whose histories a thread folds in at once
_STEPS, _EARLY, _RELAX = 2, 3, 1.6  # of the gradient in training, as in als.py
_LAST, _TOLERANCE = 200, 1e-6  # of a person's vector: until the residual is this part of what it was

_Rows: TypeAlias = tuple[LongArray, IntArray, FloatArray]  # indptr, indices, weights of a CSR matrix


@dataclass(kw_only=True, eq=False)
class HybridMf(Recommender):
    """Score by x_u.y_i: x_u is what the person's attributes say and the history corrects, y_i likewise of the item.

    Attributes are the columns of `read(..., items=, users=)`, texts and vectors among them; without any this is `als`.
    Someone new is served from attributes, a history, or both; `with_items` adds items by their attributes.
    """

    task: ClassVar[Task] = "ranking"
    item_content: ClassVar[tuple[Content, ...]] = ("attributes",)
    shapes: ClassVar[Mapping[str, str]] = {"item_vectors_": "IF", "spectrum_": "F"}

    factors: int = param(128, low=1, tune=(16, 256, "log"), help="length of the vectors")
    alpha: float = param(5.0, low=1e-3, tune=(0.5, 100.0, "log"), help="confidence that a positive pair has more")
    reg: float = param(
        0.01, low=1e-7, tune=(1e-3, 0.1, "log"), help="L2 weight on what vectors differ from attributes'"
    )
    nu: float = param(1.0, low=0.0, high=2.0, help="a vector's penalty is reg times its sum of confidences to the nu")
    attribute_reg: float = param(
        10.0, low=1e-3, tune=(1.0, 100.0, "log"), help="L2 weight on attributes' vectors, as so many average vectors"
    )
    epochs: int = param(10, low=1, tune=(4, 30), help="passes over the positives")
    init_std: float = param(0.1, low=1e-6, help="length of the people's first vectors, about")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        weights = (np.float32(self.alpha) * data.positives()).astype(np.float32)
        users, items = self._learn_features(data)
        present = np.diff(weights.indptr) > 0, np.bincount(weights.indices, minlength=data.n_items) > 0
        self.present_ = int(present[1].sum())
        sides = (
            _Side(weights, present[0], self._penalties(weights, self.present_), users, self.attribute_reg, run),
            _Side(weights.T.tocsr(), present[1], self._penalties(weights.T.tocsr(), present[0].sum()), items,
                  self.attribute_reg, run),
        )  # fmt: skip
        spread = self.init_std / np.sqrt(self.factors)
        people = run.rng(0).normal(0.0, spread, (data.n_users, self.factors)).astype(np.float32)
        yield from self._alternate(sides, np.where(present[0][:, None], people, np.float32(0.0)), run)

    def _alternate(self, sides: tuple[_Side, _Side], people: FloatArray, run: Run) -> Iterator[None]:
        """Better items for the people (U, F), what attributes say of them, better people for the items, and so on."""
        users, items = sides
        things = np.zeros((len(items.penalties), self.factors), np.float32)
        told = [np.zeros((side.features.shape[1], self.factors), np.float32) for side in sides]  # A (P, F), B (Q, F)
        held, spectrum = [people, things, *told], np.zeros(self.factors, np.float32)
        blas = ThreadpoolController()  # with more threads it would wait for them in each small product
        for epoch in range(self.epochs):
            relax = _RELAX if epoch >= _EARLY else 1.0
            with blas.limit(limits=1, user_api="blas"):
                if epoch:
                    users.descend(held[0], held[1], spectrum, held[2], relax, run)
                    held[2] = users.regressed(held[0])
                spectrum = _turn(held, 0)
                items.descend(held[1], held[0], spectrum, held[3], relax, run)
                held[3] = items.regressed(held[1])
                spectrum = _turn(held, 1)
            self.user_features_, self.item_features_, self.spectrum_ = held[2], held[3], spectrum
            self.item_vectors_ = np.where(items.present[:, None], held[1], items.features @ held[3])
            yield

    def _learn_features(self, data: Dataset) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Set the encodings of attributes; what they say of people (U, P) and of items (I, Q)."""
        schema = data.schema
        sides = (schema.user_table, data.users), (schema.item_table, data.items)
        self.user_kinds_, self.item_kinds_ = (
            Features.learn(table[np.unique(codes)], schema.kinds, None).state() if table.width else ()
            for table, codes in sides
        )
        return self._user_attributes(data.profiles()), self._item_attributes(schema)

    def _user_attributes(self, profiles: Profiles) -> sp.csr_matrix:
        return Features.of_state(self.user_kinds_).encode(profiles.attributes, len(profiles))  # (B, P)

    def _item_attributes(self, schema: Schema, items: IntArray | None = None) -> sp.csr_matrix:
        """(I, Q) of all items, or (C, Q) of some."""
        table: pl.DataFrame | None = schema.item_table if schema.item_table.width else None
        count = len(schema.items) if items is None else len(items)
        return Features.of_state(self.item_kinds_).encode(
            table if table is None or items is None else table[items], count
        )

    def _penalties(self, weights: sp.csr_matrix, count: int) -> FloatArray:
        """(R,) r of each row, `count` being the number of columns that are present."""
        sums = np.asarray(weights.sum(axis=1, dtype=np.float64)).ravel()
        return np.asarray(self.reg * (count + sums) ** self.nu, np.float32)

    def _extend(self, schema: Schema) -> None:
        """Take the vectors of new items, the last of `schema`, from their attributes."""
        attributes = self._item_attributes(schema)[len(self.item_vectors_) :]
        self.item_vectors_ = np.concatenate([self.item_vectors_, attributes @ self.item_features_])

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F) the vector of each profile: the least-squares answer to history and attributes, given the items'."""
        self._need_fit()
        parts = (run or Run(threads=1)).map(self._folded, len(profiles), profiles, block=_FOLDED)
        return np.concatenate(parts) if parts else np.zeros((0, self.item_vectors_.shape[1]), np.float32)

    def _folded(self, start: int, stop: int, profiles: Profiles) -> FloatArray:
        asked = profiles.take(slice(start, stop))
        weights = (np.float32(self.alpha) * asked.positives()).astype(np.float32)
        out = np.asarray(self._user_attributes(asked) @ self.user_features_, np.float32)  # (B, F)
        penalties, there = self._penalties(weights, self.present_), np.diff(weights.indptr) > 0
        codes, weights.indices = np.unique(weights.indices, return_inverse=True)  # the items that anyone here has
        weights.resize(len(asked), len(codes))
        others = np.concatenate([self.item_vectors_[codes], penalties[:, None] * out])
        solved = np.where(there[:, None], np.float32(0.0), out)
        descend(
            0, int(there.sum()) and len(out), *_with_prior(weights), read_only(others), read_only(self.spectrum_),
            penalties, _LAST, _TOLERANCE, 1.0, solved,
        )  # fmt: skip
        return np.where(there[:, None], solved, out)

    def item_vectors(self) -> FloatArray:
        """(I, F) the vector of each item."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """What each attribute of an item adds, what its own part adds by each item of the history, and what is left.

        A history adds (1 + w_uj) g' M^-1 y_j by its item j to x_u.g, M being the person's matrix, and attributes of the
        person what is left of x_u.g, for each of the vectors g that the item's is a sum of.
        """
        weights = (np.float32(self.alpha) * profiles.positives()).astype(np.float32)
        known = self.item_vectors_[weights.indices].astype(np.float64)  # (M, F)
        system = (known.T * weights.data) @ known  # (F, F)
        system[np.diag_indices(len(system))] += self.spectrum_ + self._penalties(weights, self.present_)[0]
        shown = np.linalg.solve(system, (known * (1.0 + weights.data[:, None])).T)  # (F, M)
        person, names = self.user_vectors(profiles)[0], Features.of_state(self.item_kinds_).names()
        features, own_features = (self._item_attributes(self.schema_, codes) for codes in (items, held(profiles)))
        found = []
        for place, item in enumerate(items):
            row = features[place]
            told = self.item_features_[row.indices] * row.data[:, None]  # (attributes of it, F)
            vectors: dict[tuple[str, str], FloatArray] = {("", ""): self.item_vectors_[item] - told.sum(axis=0)}
            for at, vector in zip(row.indices, told, strict=True):
                vectors[names[at]] = vectors.get(names[at], np.float32(0.0)) + vector
            each = np.array(list(vectors.values()))  # (1 + attributes, F)
            shares, totals = spread(weights.indices, (each @ shown).astype(np.float32), profiles), each @ person
            own, rest = float(shares[0].sum()), float(totals[0] - shares[0].sum())
            alike = _preferences.having(own_features, row, names)
            parts = [
                Part("attribute", float(total), share, *name, alike[name])
                for name, total, share in zip(list(vectors)[1:], totals[1:], shares[1:], strict=True)
            ]
            found.append([*parts, Part("history", own, shares[0]), Part("taste", rest)])
        return found

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors; -inf for items of which nothing is known."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.item_vectors_.any(axis=1)] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        most = [min(count, _preferences.MOST) for count in (shape.users, shape.items)]
        attributes = sum(28 * width**2 for width in most) + 400 * (shape.users + shape.items)
        return attributes + 60 * shape.events + 28 * self.factors * (shape.users + shape.items) + 24 * self.factors**2


class _Side:
    """People, or items: their rows of weights, their penalties r, their attributes, and the regression on these."""

    def __init__(
        self, weights: sp.csr_matrix, present: BoolArray, penalties: FloatArray, features: sp.csr_matrix,
        attribute_reg: float, run: Run,
    ) -> None:  # fmt: skip
        self.present, self.penalties, self.features = present, penalties, features
        self._rows = _with_prior(weights)
        share = np.where(present, penalties / max(float(penalties[present].mean()), 1e-30), 0.0)
        self._scale = np.sqrt(share).astype(np.float32)  # (R,)
        self._known = sp.csr_matrix(sp.diags(self._scale) @ features, dtype=np.float32)  # (R, D)
        some = features.shape[1] > 0
        self._inverse = _preferences.regression(self._known, weights.T.tocsr(), attribute_reg, run) if some else None

    def descend(
        self, out: FloatArray, others: FloatArray, spectrum: FloatArray, told: FloatArray, relax: float, run: Run
    ) -> None:
        """Better vectors `out` (R, F), given those of the others, whose Gram matrix is diagonal, and attributes'."""
        prior = self.penalties[:, None] * (self.features @ told)
        given = *self._rows, np.concatenate([others, prior]), read_only(spectrum), self.penalties
        run.map(descend, len(out), *given, _STEPS, 0.0, relax, out, block=_ROWS)

    def regressed(self, vectors: FloatArray) -> FloatArray:
        """(D, F) what attributes say best of the vectors (R, F) of those present."""
        if self._inverse is None:
            return np.zeros((0, vectors.shape[1]), np.float32)
        return np.asarray(self._inverse @ (self._known.T @ (self._scale[:, None] * vectors)), np.float32)


def _with_prior(weights: sp.csr_matrix) -> _Rows:
    """The rows of a CSR matrix (R, C), at the end of each that is not empty an entry of weight 0 in column C + row."""
    ends, there = weights.indptr[1:], np.diff(weights.indptr) > 0
    codes = (weights.shape[1] + np.flatnonzero(there)).astype(np.int32)
    indptr = weights.indptr + np.concatenate([[0], np.cumsum(there)])
    return (
        indptr.astype(np.int64), np.insert(weights.indices.astype(np.int32), ends[there], codes),
        np.insert(weights.data, ends[there], np.float32(0.0)),
    )  # fmt: skip


def _turn(held: list[FloatArray], which: int) -> FloatArray:
    """All vectors (·, F) in the basis in which the Gram matrix of those at `which` is diagonal; that diagonal (F,).

    The objective does not see it.
    """
    spectrum, basis = np.linalg.eigh(held[which].T.astype(np.float64) @ held[which])
    held[:] = [np.asarray(vectors @ basis.astype(np.float32)) for vectors in held]
    found: FloatArray = np.maximum(spectrum, 0.0).astype(np.float32)
    return found
