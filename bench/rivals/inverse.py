"""The bare inverse: what numpy.linalg.inv takes for a matrix of EASE's size, and EASE's lists from it, unoptimised.

The clock of the fit sees the inversion alone. The lists are EASE's by its formula and a partial sort: a second opinion
on the quality of ours, in double or single precision. No library; it runs where the harness runs.
"""

from __future__ import annotations

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES: tuple[str, ...] = ()


class Inverse(Contender):
    """Settings are {"dtype": "float64" or "float32", "reg": number}."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        self.users, self.items, rows, columns = train.codes()
        self.matrix = np.zeros((len(self.users), len(self.items)), job.settings["dtype"])  # (U, I)
        self.matrix[rows, columns] = 1.0
        self.gram = self.matrix.T @ self.matrix  # (I, I)
        self.gram[np.diag_indices_from(self.gram)] += job.settings["reg"]
        self.weights: AnyArray | None = None

    def fit(self) -> None:
        """(I, I) inverse, nothing else."""
        self.inverse = np.linalg.inv(self.gram)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Scores x B with B = -P / diag(P) off the diagonal, the best k by a partial sort."""
        if self.weights is None:  # made in the first answer, so that the second is the scoring alone
            self.weights = -self.inverse / np.diag(self.inverse)
            np.fill_diagonal(self.weights, 0.0)
        history = self.matrix[np.searchsorted(self.users, users)]  # (B, I)
        scores = np.where(history > 0, -np.inf, history @ self.weights)
        best = np.argpartition(-scores, self.job.k, axis=1)[:, : self.job.k]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.repeat(users, self.job.k), self.items[np.take_along_axis(best, order, axis=1)].ravel()


if __name__ == "__main__":
    serve(Inverse)
