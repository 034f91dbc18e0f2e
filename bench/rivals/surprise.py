"""scikit-surprise (surpriselib.com, BSD): baselines and SVD, for ratings."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES = ("scikit-surprise==1.1.4", "numpy==1.26.4", "scipy==1.17.1", "joblib==1.6.0", "cloudpickle==3.1.2")


class Surprise(Contender):
    """Settings are {"model": "baseline" or "svd", and the arguments of that class}. It has one thread."""

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
        from surprise import SVD, BaselineOnly

        given = dict(self.job.settings)
        if given.pop("model") == "baseline":
            return BaselineOnly(bsl_options=given, verbose=False)
        return SVD(random_state=self.job.seed, **given)

    def ratings(self, users: AnyArray, items: AnyArray) -> AnyArray:
        """By `predict`, a pair at a time: there is no other way."""
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return np.array([self.model.predict(user, item).est for user, item in pairs], np.float32)


if __name__ == "__main__":
    serve(Surprise)
