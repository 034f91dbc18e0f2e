"""scikit-surprise (surpriselib.com, BSD): its eleven algorithms, for ratings."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES = ("scikit-surprise==1.1.4", "numpy==1.26.4", "scipy==1.17.1", "joblib==1.6.0", "cloudpickle==3.1.2")


CLASSES = {
    "normal": "NormalPredictor",
    "baseline": "BaselineOnly",
    "knn-basic": "KNNBasic",
    "knn-means": "KNNWithMeans",
    "knn-zscore": "KNNWithZScore",
    "knn-baseline": "KNNBaseline",
    "svd": "SVD",
    "svdpp": "SVDpp",
    "nmf": "NMF",
    "slope-one": "SlopeOne",
    "co-clustering": "CoClustering",
}
_SEEDED = "svd", "svdpp", "nmf", "co-clustering"


class Surprise(Contender):
    """Settings are {"model": one of CLASSES, and the arguments of that class}. It has one thread.

    Those of a baseline are its bsl_options.
    """

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        from surprise import Reader  # type: ignore[import-not-found]
        from surprise.dataset import Dataset  # type: ignore[import-not-found]

        events = zip(train.users.tolist(), train.items.tolist(), train.values.tolist(), strict=True)
        rows = [(user, item, value, None) for user, item, value in events]
        self.trainset = Dataset(Reader(rating_scale=job.scale)).construct_trainset(rows)

    def fit(self) -> None:
        """Fit on the finished trainset."""
        self.model = self._make()
        self.model.fit(self.trainset)

    def _make(self) -> Any:
        from surprise import prediction_algorithms  # type: ignore[import-not-found]

        given = dict(self.job.settings)
        name = given.pop("model")
        if name == "baseline":
            given = {"bsl_options": given}
        if name in _SEEDED:
            given["random_state"] = self.job.seed
        elif name == "normal":
            np.random.seed(self.job.seed)  # noqa: NPY002
        elif name != "slope-one":  # which does not know the word
            given["verbose"] = False
        return getattr(prediction_algorithms, CLASSES[name])(**given)

    def ratings(self, users: AnyArray, items: AnyArray) -> AnyArray:
        """By `predict`, a pair at a time: there is no other way."""
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return np.array([self.model.predict(user, item).est for user, item in pairs], np.float32)


if __name__ == "__main__":
    serve(Surprise)
