"""Exposure by group: its share of the places in all lists, beside its share in what people have and in the catalogue.

Cost: everyone's list, and O(I V).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from honeyguide.arrays import DoubleArray
from honeyguide.data.aspects import Aspects
from honeyguide.metrics.attribute import places
from honeyguide.models import people
from honeyguide.models.base import Recommender, fitted
from honeyguide.models.lists import Reranking, joined, of_model
from honeyguide.run import Run


def exposure(
    model: Recommender, of: str = "", *, k: int = 10, rerank: Reranking | None = None, run: Run | None = None
) -> Any:
    """What part of the places in the lists of everyone trained on goes to each value of a column of items.

    A table of value, places, had, catalogue (shares that add up to 1; an item of n values counts 1/n for each), and
    over_had and over_catalogue: places over those; the value with most places first. `of` none: the column that tells
    most. ParameterError where items have no such column, UnsupportedError where the model has no histories.
    """
    fitted(model)
    aspects = Aspects.of_schema(model.schema_, of)
    asked = people.trained(model)
    lists, _ = joined(of_model(model, asked, k, rerank=rerank, run=run or Run()))
    counts = np.asarray(asked.positives().sum(axis=0), np.float64).ravel()  # (I,)
    had, catalogue = (_shares(aspects, weights) for weights in (counts, np.ones(len(counts))))
    table = pl.DataFrame(
        {"value": aspects.names, "places": places(lists, aspects.shares, k=k), "had": had, "catalogue": catalogue}
    )
    over = [(pl.col("places") / pl.col(name)).alias(f"over_{name}") for name in ("had", "catalogue")]
    return model.schema_.deliver(table.with_columns(over).sort("places", "value", descending=[True, False]))


def _shares(aspects: Aspects, weights: DoubleArray) -> DoubleArray:
    """(V,) the share of each value in items of weights (I,)."""
    sums: DoubleArray = np.asarray(aspects.shares.T @ weights, np.float64).ravel()
    return sums / max(float(sums.sum()), 1e-300)
