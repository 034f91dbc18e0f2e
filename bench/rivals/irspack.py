"""irspack (github.com/tohtsky/irspack, MIT): SLIM and alternating least squares, for lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES = ("irspack==0.5.2", "numpy==2.4.6", "scipy==1.17.1", "optuna==5.0.0", "pandas==3.1.1", "scikit-learn==1.9.1")


class Irspack(Contender):
    """Settings are {"model": "slim", "l1", "l2"}: weights of its objective, which it takes as alpha and l1_ratio.

    Or {"model": "als", "alpha": what a positive pair weighs more, and the arguments of IALSRecommender}.
    """

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        import scipy.sparse as sp

        self.users, self.items, rows, columns = train.codes()
        shape = len(self.users), len(self.items)
        self.matrix = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)  # (U, I)
        self.matrix.sum_duplicates()

    def fit(self) -> None:
        """Fit on the finished matrix."""
        self.model = self._make().learn()

    def _make(self) -> Any:
        from irspack.recommenders import IALSRecommender, SLIMRecommender  # type: ignore[import-not-found]

        given = dict(self.job.settings)
        if given.pop("model") == "als":
            weights = (self.matrix * given.pop("alpha")).astype(np.float32)
            return IALSRecommender(weights, n_threads=self.job.threads, random_seed=self.job.seed, **given)
        l1, l2 = given["l1"], given["l2"]
        given = {"alpha": (l1 + l2) / len(self.users), "l1_ratio": l1 / (l1 + l2)}
        return SLIMRecommender(self.matrix, n_threads=self.job.threads, **given)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Its scores without the history, the best k by its own sort."""
        from irspack.utils.id_mapping import retrieve_recommend_from_score  # type: ignore[import-not-found]

        scores = self.model.get_score_remove_seen(np.searchsorted(self.users, users))
        best = retrieve_recommend_from_score(scores, [], self.job.k, self.job.threads)
        codes = np.array([code for line in best for code, _ in line])
        return np.repeat(users, [len(line) for line in best]), self.items[codes]


if __name__ == "__main__":
    serve(Irspack)
