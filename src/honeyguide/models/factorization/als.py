"""Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008, doi:10.1109/ICDM.2008.22).

Every pair counts: one that is not known as a 0 of confidence 1, a positive one as a 1 of confidence 1 + alpha w_ui.

    sum over all (u, i) of c_ui (p_ui - x_u.y_i)^2  +  reg (sum over u of c_u^nu |x_u|^2 + over i of c_i^nu |y_i|^2)

with p_ui 1 or 0, c_u the sum of c_ui over the items that anyone has and c_i over the people who have any, so that at
nu = 1 who counts more is penalised more, and ids that nothing is known of change nothing ("iALS revisited": Rendle et
al. 2022, arXiv:2110.14037, whose alpha0 is 1 / alpha); nu = 0 is the penalty of the first paper. w is 1
(confidence="ones"), the value (Hu's eq. 4: the last rating, the sum of counts) or log(1 + value) (eq. 6); negative
values count as 0.

    cg        two steps of preconditioned conjugate gradient a half-step, prolonged 1.6 times (successive over-
              relaxation: the objective still falls with every half-step). O(N F + (U + I) F^2) an epoch.
    cholesky  each half-step exactly. O(N F^2 + (U + I) F^3) an epoch.

Both end where the gradient is zero. The Gram matrix that stands for the unknown pairs is made diagonal by a rotation of
both factors, O(F^3), which the objective does not see: it is then the preconditioner, and costs O(F) to apply.
Nothing of the people is kept. A vector is solved for from the history whenever it is asked for, O(n F) a step, for
known people and strangers alike. Memory: 60 bytes an event and 12 F (U + I). Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DataError
from honeyguide.kernels.confidence import descend, solve_exactly
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part, spread
from honeyguide.params import param
from honeyguide.run import Run

_ROWS = 64  # rows a thread solves at once
_FOLDED = 512  # people whose histories a thread sorts and folds in at once
_PART = 2048  # rows a thread multiplies at once
_EVENTS = 1 << 16  # events whose loss is summed at once
_STEPS, _EARLY, _RELAX = 2, 3, 1.6  # of the gradient in training; see docs/log.md for others
_RENEWED = 3  # epochs of an update
_LAST, _TOLERANCE = 200, 1e-6  # of a person's vector: until the residual is this part of what it was

_Rows: TypeAlias = tuple[LongArray, IntArray, FloatArray]  # indptr, indices, weights of a CSR matrix


@dataclass(kw_only=True, eq=False)
class Als(Recommender):
    """Score by x_u.y_i, where x_u is the least-squares answer to the person's history given the items' vectors.

    An item that nobody has among their positives has the vector 0 and scores 0; so does everything for a person without
    positives.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"item_vectors_": "IF", "spectrum_": "F"}

    factors: int = param(128, low=1, tune=(16, 256, "log"), help="length of the vectors")
    alpha: float = param(5.0, low=1e-3, tune=(0.5, 100.0, "log"), help="confidence that a positive pair has more")
    reg: float = param(0.01, low=1e-7, tune=(3e-4, 0.1, "log"), help="L2 weight on the vectors")
    nu: float = param(1.0, low=0.0, high=2.0, help="a vector's penalty is reg times its sum of confidences to the nu")
    confidence: Literal["ones", "values", "log"] = param(
        "ones",
        tune=["ones", "log"],
        help="alpha is counted once for a positive pair, by its value, or by log(1 + value)",
    )
    epochs: int = param(10, low=1, tune=(4, 30), help="passes over the positives")
    solver: Literal["cg", "cholesky"] = param("cg", help="how a half-step is solved")
    init_std: float = param(0.1, low=1e-6, help="length of the people's first vectors, about")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        spread = self.init_std / np.sqrt(self.factors)
        people = run.rng(0).normal(0.0, spread, (data.n_users, self.factors)).astype(np.float32)  # (U, F)
        items: FloatArray = np.zeros((data.n_items, self.factors), np.float32)  # (I, F)
        yield from self._alternate(self._weights(data.profiles()), people, items, self.epochs, run)

    def _alternate(
        self, weights: sp.csr_matrix, people: FloatArray, items: FloatArray, epochs: int, run: Run
    ) -> Iterator[None]:
        """Better items for the people (U, F), better people for the items (I, F), and so on."""
        self.shape_ = weights.shape
        by_user, by_item = _rows(weights), _rows(weights.T.tocsr())
        self.present_ = _present(by_user), _present(by_item)  # people and items with positives
        user_reg, item_reg = self._penalties(by_user, self.present_[1]), self._penalties(by_item, self.present_[0])
        people[np.diff(by_user[0]) == 0] = 0.0
        spectrum: FloatArray = np.zeros(people.shape[1], np.float32)
        blas = ThreadpoolController()  # with more threads it would wait for them in each small product
        for epoch in range(epochs):
            relax = _RELAX if epoch >= _EARLY else 1.0
            with blas.limit(limits=1, user_api="blas"):
                if epoch:
                    self._half_step(by_user, items, spectrum, user_reg, people, relax, run)
                people, items, spectrum = _turned(people, items, run)
                self._half_step(by_item, people, spectrum, item_reg, items, relax, run)
                items, people, spectrum = _turned(items, people, run)
            self.item_vectors_, self.spectrum_ = items, spectrum
            yield

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None:
        """A few epochs more from where the fit ended, over all events: the objective comes near that of a new fit.

        New items begin at zero, which leaves the items' Gram matrix as it was.
        """
        items: FloatArray = np.zeros((after.n_items, self.item_vectors_.shape[1]), np.float32)
        items[: before.n_items] = self.item_vectors_
        self.item_vectors_ = items
        weights = self._weights(after.profiles())
        for _ in self._alternate(weights, self._solved(_rows(weights), run), items, _RENEWED, run):
            pass

    def _half_step(
        self, rows: _Rows, others: FloatArray, spectrum: FloatArray, reg: FloatArray, out: FloatArray, relax: float,
        run: Run,
    ) -> None:  # fmt: skip
        """Better vectors `out` of the rows of a matrix, given those of its columns, whose Gram matrix is diagonal."""
        given = *rows, read_only(others), read_only(spectrum), reg
        if self.solver == "cg":
            run.map(descend, len(out), *given, _STEPS, 0.0, relax, out, block=_ROWS)
        else:
            run.map(solve_exactly, len(out), *given, out, block=_ROWS)

    def _penalties(self, rows: _Rows, count: int) -> FloatArray:
        """(R,) what |x|^2 of each row is multiplied by, `count` being the number of columns that are present."""
        indptr, _, weights = rows
        sums = np.diff(np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])[indptr])
        return (self.reg * (count + sums) ** self.nu).astype(np.float32)

    def _weights(self, profiles: Profiles) -> sp.csr_matrix:
        """(B, I) CSR of alpha w_ui at the positive pairs, zeros among them kept."""
        found = profiles.positives()
        if self.confidence != "ones":
            values = profiles.matrix()  # every positive pair is in it, in the same order
            if values.nnz != found.nnz:
                places = [m.tocoo() for m in (values, found)]
                keys = [p.row.astype(np.int64) * values.shape[1] + p.col for p in places]
                found.data = values.data[np.searchsorted(*keys)]
            else:
                found.data = values.data
            found.data = np.maximum(found.data, 0.0)
            if self.confidence == "log":
                found.data = np.log1p(found.data)
        found.data = (np.float32(self.alpha) * found.data).astype(np.float32)
        return found

    def objective(self, data: Dataset) -> float:
        """The objective above on the people and items of the training data, each person's vector at its best.

        DataError where the data have other people or items.
        """
        self._need_fit()
        if (data.n_users, data.n_items) != self.shape_:
            got = data.n_users, data.n_items
            raise DataError(f"the objective needs the people and items of the training data {self.shape_}, got {got}")
        weights = self._weights(data.profiles())
        rows, columns = _rows(weights), _rows(weights.T.tocsr())
        people, items = self._solved(rows, Run()), self.item_vectors_  # (U, F), (I, F)
        total = float(np.sum(_gram(0, len(people), people) * _gram(0, len(items), items)))
        users = np.repeat(np.arange(len(people), dtype=np.int32), np.diff(rows[0]))  # (N,)
        for first in range(0, len(users), _EVENTS):
            at = slice(first, first + _EVENTS)
            scores = np.einsum("nf,nf->n", people[users[at]], items[rows[1][at]]).astype(np.float64)
            total += float(np.sum((1.0 + rows[2][at]) * (1.0 - scores) ** 2 - scores**2))
        for vectors, own, others in ((people, rows, self.present_[1]), (items, columns, self.present_[0])):
            lengths = np.einsum("rf,rf->r", vectors, vectors)
            total += float(np.sum(self._penalties(own, others) * lengths.astype(np.float64)))
        return total

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F) the vector of each profile: the least-squares answer to the history, given the items' vectors."""
        self._need_fit()
        parts = (run or Run(threads=1)).map(self._folded, len(profiles), profiles, block=_FOLDED)
        return np.concatenate(parts) if parts else np.zeros((0, self.item_vectors_.shape[1]), np.float32)

    def _folded(self, start: int, stop: int, profiles: Profiles) -> FloatArray:
        return self._solved(_rows(self._weights(profiles.take(slice(start, stop)))), Run(threads=1))

    def _solved(self, rows: _Rows, run: Run) -> FloatArray:
        out: FloatArray = np.zeros((len(rows[0]) - 1, self.item_vectors_.shape[1]), np.float32)  # (B, F)
        items, spectrum = read_only(self.item_vectors_), read_only(self.spectrum_)
        penalties = self._penalties(rows, self.present_[1])
        run.map(descend, len(out), *rows, items, spectrum, penalties, _LAST, _TOLERANCE, 1.0, out, block=_ROWS)
        return out

    def item_vectors(self) -> FloatArray:
        """(I, F) the vector of each item."""
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """What each item of the history adds: (1 + w_uj) y_c' A^-1 y_j, A being the person's matrix (Hu et al., 5)."""
        indptr, codes, weights = _rows(self._weights(profiles))
        known = self.item_vectors_[codes].astype(np.float64)  # (M, F)
        system = (known.T * weights) @ known  # (F, F)
        penalty = self._penalties((indptr, codes, weights), self.present_[1])[0]
        system[np.diag_indices(len(system))] += self.spectrum_.astype(np.float64) + penalty
        towards = np.linalg.solve(system, self.item_vectors_[items].T.astype(np.float64))  # (F, C)
        shares = spread(codes, ((known @ towards) * (1.0 + weights[:, None])).T.astype(np.float32), profiles)
        return [[Part("history", float(each.sum()), each)] for each in shares]

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors; -inf for items that nobody has."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.item_vectors_.any(axis=1)] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 60 * shape.events + 12 * self.factors * (shape.users + shape.items) + 24 * self.factors**2


def _rows(matrix: sp.csr_matrix) -> _Rows:
    """(indptr, indices, data) of a CSR matrix in the types that kernels take."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32, copy=False)


def _present(rows: _Rows) -> int:
    """How many rows of a CSR matrix hold anything."""
    return int(np.count_nonzero(np.diff(rows[0])))


def _turned(one: FloatArray, other: FloatArray, run: Run) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Both factors (·, F) in the basis in which the Gram matrix of the first is diagonal, and that diagonal (F,)."""
    gram: DoubleArray = np.sum(run.map(_gram, len(one), one, block=_PART), axis=0, dtype=np.float64)
    spectrum, basis = np.linalg.eigh(gram)
    turn, turned = basis.astype(np.float32), (np.empty_like(one), np.empty_like(other))
    for factor, out in zip((one, other), turned, strict=True):
        run.map(_product, len(factor), factor, turn, out, block=_PART)
    return *turned, np.maximum(spectrum, 0.0).astype(np.float32)


def _gram(start: int, stop: int, factor: FloatArray) -> DoubleArray:
    """(F, F) of some rows: summed in float32 within them, in float64 beyond."""
    part = factor[start:stop]
    return (part.T @ part).astype(np.float64)


def _product(start: int, stop: int, factor: FloatArray, turn: FloatArray, out: FloatArray) -> None:
    np.matmul(factor[start:stop], turn, out=out[start:stop])
