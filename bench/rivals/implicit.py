"""implicit (github.com/benfred/implicit, MIT): factors and item-item neighbours, for lists."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, Search, serve

PACKAGES = ("implicit==0.7.3", "numpy==2.4.6", "scipy==1.17.1", "threadpoolctl==3.8.0", "tqdm==4.70.1")
MODELS = {
    "als": ("cpu.als", "AlternatingLeastSquares"),
    "bpr": ("cpu.bpr", "BayesianPersonalizedRanking"),
    "lmf": ("cpu.lmf", "LogisticMatrixFactorization"),
    "cosine": ("nearest_neighbours", "CosineRecommender"),
    "tfidf": ("nearest_neighbours", "TFIDFRecommender"),
    "bm25": ("nearest_neighbours", "BM25Recommender"),
}

# Its documentation names no ranges: these hold its defaults and the best settings that its users report, with room.
SEARCHES = {
    "als": Search(
        {
            "factors": (16, 256, "log"), "alpha": (0.1, 200.0, "log"), "regularization": (1e-3, 200.0, "log"),
            "iterations": (5, 30),
        },
        {"factors": 100, "alpha": 1.0, "regularization": 0.01, "iterations": 15},
        {"model": "als"},
    ),
    "bpr": Search(
        {
            "factors": (16, 256, "log"), "learning_rate": (1e-3, 0.2, "log"), "regularization": (1e-4, 0.1, "log"),
            "iterations": (20, 300, "log"),
        },
        {"factors": 100, "learning_rate": 0.01, "regularization": 0.01, "iterations": 100},
        {"model": "bpr"},
    ),
    "lmf": Search(
        {
            "factors": (8, 128, "log"), "learning_rate": (0.05, 2.0, "log"), "regularization": (1e-3, 10.0, "log"),
            "neg_prop": (5, 50), "iterations": (10, 60, "log"),
        },
        {"factors": 30, "learning_rate": 1.0, "regularization": 0.6, "neg_prop": 30, "iterations": 30},
        {"model": "lmf"},
    ),
    "neighbours": Search(
        {
            "model": ["cosine", "tfidf", "bm25"], "K": (5, 1000, "log"), "K1": (0.1, 100.0, "log"), "B": (0.0, 1.0),
        },
        {"model": "bm25", "K": 20, "K1": 1.2, "B": 0.75},
        {},
    ),
}  # fmt: skip


class Implicit(Contender):
    """Settings are {"model": a name of `MODELS`, and the arguments of that class}; K1 and B count for bm25 alone."""

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
        given = dict(self.job.settings)
        kind = given.pop("model")
        place, name = MODELS[kind]
        if "K" in given:
            kept = ("K", "K1", "B") if kind == "bm25" else ("K",)
            given = {key: value for key, value in given.items() if key in kept}
        else:
            given["random_state"] = self.job.seed
        return getattr(importlib.import_module(f"implicit.{place}"), name)(num_threads=self.job.threads, **given)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """By `recommend` for all users at once."""
        rows = np.searchsorted(self.users, users)
        codes, scores = self.model.recommend(rows, self.matrix[rows], N=self.job.k, filter_already_liked_items=True)
        filled = (codes >= 0) & (scores > np.finfo(np.float32).min)  # (B, k); what it had nothing for is left out
        return np.repeat(users, filled.sum(axis=1)), self.items[codes[filled]]


if __name__ == "__main__":
    serve(Implicit)
