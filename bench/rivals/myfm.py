"""myFM (github.com/tohtsky/myFM, MIT): a Bayesian factorisation machine with relation blocks, for ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES = ("myfm==0.4.0", "numpy==2.4.6", "scipy==1.17.1", "pandas==3.0.1")


class MyFM(Contender):
    """Settings are {"rank", "n_iter"}: features are person, item and both histories, as in the examples of myFM."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        self.users, self.items, self.rows, self.columns = train.codes()
        shape = len(self.users), len(self.items)
        ones = sp.csr_matrix((np.ones(len(self.rows)), (self.rows, self.columns)), shape=shape)
        self.sides = [_block(ones), _block(ones.T.tocsr())]

    def _relations(self, rows: AnyArray, columns: AnyArray) -> list[Any]:
        from myfm import RelationBlock  # type: ignore[import-not-found]

        return [RelationBlock(codes, side) for codes, side in zip((rows, columns), self.sides, strict=True)]

    def fit(self) -> None:
        """Gibbs sampling, all draws but five kept, as by default."""
        from myfm import MyFMRegressor

        shape = len(self.users), len(self.items)
        self.model = MyFMRegressor(rank=self.job.settings["rank"], random_seed=self.job.seed)
        self.model.fit(
            None, self.train.values.astype(np.float64), X_rel=self._relations(self.rows, self.columns),
            group_shapes=[shape[0], shape[1], shape[1], shape[0]], n_iter=self.job.settings["n_iter"],
        )  # fmt: skip

    def ratings(self, users: AnyArray, items: AnyArray) -> AnyArray:
        """Of people and items that were trained on; others get the mean."""
        rows, columns = np.searchsorted(self.users, users), np.searchsorted(self.items, items)
        rows, columns = np.minimum(rows, len(self.users) - 1), np.minimum(columns, len(self.items) - 1)
        found: AnyArray = self.model.predict(None, self._relations(rows, columns))
        known = (self.users[rows] == users) & (self.items[columns] == items)
        low, high = self.job.scale or (-np.inf, np.inf)
        return np.clip(np.where(known, found, self.train.values.mean()), low, high)


def _block(ones: sp.csr_matrix) -> sp.csr_matrix:
    """(R, R + D): the row's own id, and what it has, each 1 / root of how many."""
    lengths = np.maximum(np.diff(ones.indptr), 1)
    return sp.hstack([sp.identity(ones.shape[0]), sp.diags(1.0 / np.sqrt(lengths)) @ ones], format="csr")


if __name__ == "__main__":
    serve(MyFM)
