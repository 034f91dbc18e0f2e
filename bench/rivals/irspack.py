"""irspack (github.com/tohtsky/irspack, MIT): linear models, factors, walks and neighbours, for lists."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, Search, serve

PACKAGES = ("irspack==0.5.2", "numpy==2.4.6", "scipy==1.17.1", "optuna==5.0.0", "pandas==3.1.1", "scikit-learn==1.9.1")
_NEIGHBOURS = {
    "top_k": (4, 1000), "shrinkage": (0.0, 1000.0), "feature_weighting": ["NONE", "TF_IDF", "BM_25"],
}  # fmt: skip
_FIRST = {"top_k": 100, "shrinkage": 0.0, "feature_weighting": "NONE"}
_NORMALIZE = {"normalize": [False, True]}


def _search(name: str, ranges: dict[str, Any], start: dict[str, Any]) -> Search:
    return Search(ranges, start, {"model": name})


# The ranges are the `default_tune_range` of each class. Its tuner finds the epochs by early stopping, here they are
# drawn. NMF's goes to 512 components there, which takes minutes a fit.
SEARCHES = {
    "ials": _search(
        "IALSRecommender",
        {
            "n_components": (4, 300), "alpha0": (3e-3, 1.0, "log"), "reg": (1e-4, 1e-1, "log"),
            "train_epochs": (4, 40, "log"),
        },
        {"n_components": 20, "reg": 1e-3, "train_epochs": 16},
    ),
    "dense_slim": _search("DenseSLIMRecommender", {"reg": (1.0, 1e4, "log")}, {"reg": 1.0}),
    "edlae": _search(
        "EDLAERecommender", {"reg": (1.0, 1e4, "log"), "dropout_p": (0.0, 0.99)}, {"reg": 1.0, "dropout_p": 0.1}
    ),
    "slim": _search(
        "SLIMRecommender", {"alpha": (1e-5, 1.0, "log"), "l1_ratio": (0.0, 1.0)}, {"alpha": 0.05, "l1_ratio": 0.01}
    ),
    "rp3beta": _search(
        "RP3betaRecommender",
        {"top_k": (2, 1000), "beta": (1e-5, 0.5, "log"), "normalize_weight": [True, False]},
        {"normalize_weight": False},
    ),
    "cosine_knn": _search(
        "CosineKNNRecommender", _NEIGHBOURS | _NORMALIZE, _FIRST | {"normalize": False}
    ),
    "asymmetric_knn": _search(
        "AsymmetricCosineKNNRecommender", _NEIGHBOURS | {"alpha": (0.0, 1.0)}, _FIRST | {"alpha": 0.5}
    ),
    "cosine_user_knn": _search(
        "CosineUserKNNRecommender", _NEIGHBOURS | _NORMALIZE, _FIRST | {"normalize": True}
    ),
    "asymmetric_user_knn": _search(
        "AsymmetricCosineUserKNNRecommender", _NEIGHBOURS | {"alpha": (0.0, 1.0)}, _FIRST | {"alpha": 0.5}
    ),
    "nmf": _search(
        "NMFRecommender",
        {"n_components": (4, 128), "alpha": (1e-10, 1e-1, "log"), "l1_ratio": (0.0, 1.0)},
        {"n_components": 64, "alpha": 1e-2, "l1_ratio": 1e-2},
    ),
    "truncated_svd": _search("TruncatedSVDRecommender", {"n_components": (4, 512)}, {"n_components": 4}),
}  # fmt: skip


class Irspack(Contender):
    """Settings are {"model": "slim", "l1", "l2"}: weights of its objective, which it takes as alpha and l1_ratio.

    Or {"model": "als", "alpha": what a positive pair weighs more, and the arguments of IALSRecommender}. Or {"model":
    the name of a class, and its arguments}.
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
        from irspack import recommenders  # type: ignore[import-not-found]

        given, threads = dict(self.job.settings), {"n_threads": self.job.threads}
        name = given.pop("model")
        if name == "als":
            weights = (self.matrix * given.pop("alpha")).astype(np.float32)
            return recommenders.IALSRecommender(weights, random_seed=self.job.seed, **threads, **given)
        if name == "slim":
            l1, l2 = given["l1"], given["l2"]
            given = {"alpha": (l1 + l2) / len(self.users), "l1_ratio": l1 / (l1 + l2)}
            return recommenders.SLIMRecommender(self.matrix, **threads, **given)
        made = getattr(recommenders, name)
        able = inspect.signature(made).parameters
        extra = threads | {"random_seed": self.job.seed}
        return made(self.matrix, **given, **{key: value for key, value in extra.items() if key in able})

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Its scores without the history, the best k by its own sort."""
        from irspack.utils.id_mapping import retrieve_recommend_from_score  # type: ignore[import-not-found]

        scores = self.model.get_score_remove_seen(np.searchsorted(self.users, users))
        best = retrieve_recommend_from_score(scores, [], self.job.k, self.job.threads)
        codes = np.array([code for line in best for code, _ in line])
        return np.repeat(users, [len(line) for line in best]), self.items[codes]


if __name__ == "__main__":
    serve(Irspack)
