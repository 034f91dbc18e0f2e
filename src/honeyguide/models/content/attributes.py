"""Items by their attributes: categories, numbers, several values at once (_preferences.py has the regression).

Fit: O(D^3 + entries D) for D attributes; memory 28 D^2. Score: O(entries of the history + D^2 + D I) a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.features import Features
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.models.content import _preferences
from honeyguide.models.contributions import Part
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Attributes(Recommender):
    """What of a person's taste is told by the attributes of items: a weight for each, by ridge regression.

    The columns are those of `read(items=)`; texts are left to `text`. An item is recommended on its first day, also one
    that `with_items` brings. `similar_items` are those nearest in attributes.
    """

    task: ClassVar[Task] = "ranking"
    item_content: ClassVar[tuple[Content, ...]] = ("attributes",)
    shapes: ClassVar[Mapping[str, str]] = {"matrix_": "DD"}

    reg: float = param(10.0, low=1e-3, tune=(1.0, 100.0, "log"), help="L2 weight on a person's preferences")
    columns: str = param("", help="columns to read, with commas between them; none: all but texts and vectors")

    def _fit(self, data: Dataset, run: Run) -> None:
        features = _preferences.learn(data, self.columns, ("category", "values", "number"), "Attributes")
        self.kinds_, self.items_ = features.state(), _preferences.encode(features, data.schema)
        self.matrix_ = _preferences.regression(self.items_, data.positives(), self.reg, run)

    def _extend(self, schema: Schema) -> None:
        self.items_ = _preferences.encode(Features.of_state(self.kinds_), schema)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return _preferences.scores(_preferences.preferences(profiles, self.items_, self.matrix_), self.items_, items)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """What each attribute adds, and each item of the history to that."""
        names = Features.of_state(self.kinds_).names()
        return _preferences.contributions(profiles, self.items_, self.matrix_, items, names)

    def similarity(self, items: IntArray) -> FloatArray:
        """The cosine (C, I) of the items' attributes."""
        return _preferences.cosines(self.items_, items)

    def memory(self, shape: Shape) -> int:
        return _preferences.memory(shape)
