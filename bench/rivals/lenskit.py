"""LensKit (lenskit.org, MIT): neighbours, factors and linear models, for lists.

The last release that Python 3.11 installs. Its pipelines score a person at a time; here its scorers are called without
one, and the best are taken by a partial sort, which favours it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.exchange import AnyArray, Contender, Events, Job, Search, serve

PACKAGES = ("lenskit==2025.8.1", "torch==2.13.0", "numpy==2.4.6", "scipy==1.17.1", "pandas==2.3.3", "pyarrow==26.0.1")
_REG = (1e-3, 100.0, "log")
# Its documentation names few ranges: these hold its defaults and what the papers it cites use, with room.
SEARCHES = {
    "item_knn": Search(
        {"max_nbrs": (5, 1000, "log"), "save_nbrs": (20, 2000, "log"), "min_sim": (1e-6, 0.1, "log")},
        {"max_nbrs": 20, "min_sim": 1e-6},
        {"model": "item_knn"},
    ),
    "user_knn": Search(
        {"max_nbrs": (5, 1000, "log"), "min_nbrs": (1, 5), "min_sim": (1e-6, 0.1, "log")},
        {"max_nbrs": 20, "min_nbrs": 1, "min_sim": 1e-6},
        {"model": "user_knn"},
    ),
    "implicit_mf": Search(
        {"embedding_size": (16, 256, "log"), "epochs": (5, 30), "regularization": _REG, "weight": (0.5, 100.0, "log")},
        {"embedding_size": 50, "epochs": 10, "regularization": 0.1, "weight": 40.0},
        {"model": "implicit_mf"},
    ),
    "ease": Search({"regularization": (1.0, 1e4, "log")}, {"regularization": 1.0}, {"model": "ease"}),
    "slim": Search(
        {"l1_reg": (0.1, 50.0, "log"), "l2_reg": (0.1, 2000.0, "log")},
        {"l1_reg": 1.0, "l2_reg": 1.0},
        {"model": "slim"},
    ),
}


class Lenskit(Contender):
    """Settings are {"model": a name above, and the fields of that scorer's configuration}."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        import pandas as pd
        import structlog  # type: ignore[import-not-found]
        from lenskit.data import from_interactions_df  # type: ignore[import-not-found]
        from lenskit.parallel import initialize  # type: ignore[import-not-found]

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # it logs a line a person
        initialize(processes=1, threads=job.threads, backend_threads=job.threads)
        table = pd.DataFrame({"user_id": train.users, "item_id": train.items}).drop_duplicates()
        self.data = from_interactions_df(table)

    def fit(self) -> None:
        """Fit on the finished dataset."""
        from lenskit.training import TrainingOptions  # type: ignore[import-not-found]

        self.model = self._make()
        self.model.train(self.data, TrainingOptions(rng=self.job.seed))

    def _make(self) -> Any:
        from lenskit import als, knn  # type: ignore[import-not-found]

        given = dict(self.job.settings)
        kind = given.pop("model")
        if kind == "item_knn":
            return knn.ItemKNNScorer(feedback="implicit", **given)
        if kind == "user_knn":
            return knn.UserKNNScorer(feedback="implicit", **given)
        if kind == "implicit_mf":  # people are known: their trained vectors, as it advises for speed
            return als.ImplicitMFScorer(user_embeddings="prefer", **given)
        return {"ease": knn.EASEScorer, "slim": knn.SLIMScorer}[kind](**given)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Its scores of the whole catalogue for a person at a time, without the history, the best k."""
        from lenskit.data import ItemList, RecQuery

        everything = ItemList(self.data.items)

        def best(user: Any) -> AnyArray:
            history = self.data.user_row(user)
            given = self.model(RecQuery(user_id=user, history_items=history), everything).scores()
            scores = np.array(given, np.float32)  # (I,)
            scores[history.numbers()] = np.nan
            scores = np.where(np.isnan(scores), -np.inf, scores)
            found = np.argpartition(-scores, self.job.k)[: self.job.k]
            found = found[np.isfinite(scores[found])]
            ordered: AnyArray = found[np.argsort(-scores[found], kind="stable")]
            return ordered

        made = [best(user) for user in users.tolist()]  # two threads take as long: it holds Python's lock
        return np.repeat(users, [len(each) for each in made]), self.data.items.ids()[np.concatenate(made)]


if __name__ == "__main__":
    serve(Lenskit)
