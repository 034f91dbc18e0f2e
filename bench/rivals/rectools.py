"""RecTools (github.com/MobileTeleSystems/RecTools, Apache 2.0): linear models, and implicit's through it, for lists.

Its other wrappers need LightFM or PyTorch, or fit what the adapter of implicit fits. PureSVD fails with SciPy 1.17
where it is given a seed, hence the pin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, Search, serve
from bench.rivals.implicit import SEARCHES as OF_IMPLICIT

PACKAGES = (
    "rectools==0.19.0", "pm-implicit==0.7.3", "numpy==1.26.4", "scipy==1.14.1", "pandas==2.3.3", "attrs==23.2.0",
    "threadpoolctl==3.8.0", "pydantic==2.14.3",
)  # fmt: skip
# Its documentation names no ranges. EASE's and PureSVD's hold its defaults and the papers' settings, with room.
SEARCHES = {
    "ease": Search({"regularization": (1.0, 1e4, "log")}, {"regularization": 500.0}, {"model": "ease"}),
    "pure_svd": Search({"factors": (4, 512, "log")}, {"factors": 10}, {"model": "pure_svd"}),
    "als": OF_IMPLICIT["als"],
    "item_knn": OF_IMPLICIT["neighbours"],
}


class Rectools(Contender):
    """Settings are {"model": "ease" or "pure_svd", and the arguments of that class}, or those of implicit's adapter."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        import pandas as pd
        from rectools.dataset import Dataset  # type: ignore[import-not-found]

        events = {"user_id": train.users, "item_id": train.items, "weight": np.ones(len(train.users), np.float32)}
        table = pd.DataFrame(events).drop_duplicates(["user_id", "item_id"])
        self.dataset = Dataset.construct(table.assign(datetime=pd.Timestamp("2020-01-01")))

    def fit(self) -> None:
        """Fit on the finished dataset."""
        self.model = self._make()
        self.model.fit(self.dataset)

    def _make(self) -> Any:
        from implicit import als, nearest_neighbours  # type: ignore[import-not-found]
        from rectools import models  # type: ignore[import-not-found]

        given, threads = dict(self.job.settings), self.job.threads
        kind = given.pop("model")
        if kind == "ease":
            return models.EASEModel(recommend_n_threads=threads, **given)
        if kind == "pure_svd":
            return models.PureSVDModel(recommend_n_threads=threads, random_state=self.job.seed, **given)
        if kind == "als":
            inner = als.AlternatingLeastSquares(num_threads=threads, random_state=self.job.seed, **given)
            return models.ImplicitALSWrapperModel(inner)
        if kind == "bm25":
            inner = nearest_neighbours.BM25Recommender(num_threads=threads, **given)
        else:
            made = {"cosine": nearest_neighbours.CosineRecommender, "tfidf": nearest_neighbours.TFIDFRecommender}[kind]
            inner = made(K=given["K"], num_threads=threads)
        return models.ImplicitItemKNNWrapperModel(inner)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """By `recommend`, its table included."""
        table = self.model.recommend(users, self.dataset, k=self.job.k, filter_viewed=True)
        return table["user_id"].to_numpy(), table["item_id"].to_numpy()


if __name__ == "__main__":
    serve(Rectools)
