"""implicit (github.com/benfred/implicit, MIT): alternating least squares and item-item neighbours, for lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES = ("implicit==0.7.3", "numpy==2.4.6", "scipy==1.17.1", "threadpoolctl==3.8.0", "tqdm==4.70.1")


class Implicit(Contender):
    """Settings are {"model": "als", "cosine" or "tfidf", and the arguments of that class}."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        import scipy.sparse as sp
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")  # as its manual asks: it has threads of its own
        self.users, self.items, rows, columns = train.codes()
        shape = len(self.users), len(self.items)
        self.matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)  # (U, I)
        self.matrix.sum_duplicates()

    def fit(self) -> None:
        """Fit on the finished matrix."""
        self.model = self._make()
        self.model.fit(self.matrix, show_progress=False)

    def _make(self) -> Any:
        from implicit.als import AlternatingLeastSquares  # type: ignore[import-not-found]
        from implicit.nearest_neighbours import (  # type: ignore[import-not-found]
            CosineRecommender,
            TFIDFRecommender,
        )

        given = dict(self.job.settings)
        kind = given.pop("model")
        if kind in ("cosine", "tfidf"):
            neighbours = CosineRecommender if kind == "cosine" else TFIDFRecommender
            return neighbours(num_threads=self.job.threads, **given)
        return AlternatingLeastSquares(num_threads=self.job.threads, random_state=self.job.seed, **given)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """By `recommend` for all users at once."""
        rows = np.searchsorted(self.users, users)
        codes, scores = self.model.recommend(rows, self.matrix[rows], N=self.job.k, filter_already_liked_items=True)
        filled = (codes >= 0) & (scores > np.finfo(np.float32).min)  # (B, k); what it had nothing for is left out
        return np.repeat(users, filled.sum(axis=1)), self.items[codes[filled]]


if __name__ == "__main__":
    serve(Implicit)
