"""Items by what is written of them, or by vectors that the caller supplies (_preferences.py has the regression).

Fit: O(D^3 + entries D) for D words and numbers of vectors; memory 28 D^2. Score: O(entries of the history + D^2 + D I)
a person.
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
class Text(Recommender):
    """What of a person's taste is told by texts of items: a weight for each word, by ridge regression on TF-IDF.

    Texts are columns of `read(items=)` that are recognised as such or declared by `kinds=`: titles, descriptions, tags,
    reviews. A column of lists of numbers, all of one length, is an embedding by whatever network the caller likes, and
    is read too. An item is recommended on its first day. `similar_items` are those nearest in words and vectors.
    """

    task: ClassVar[Task] = "ranking"
    item_content: ClassVar[tuple[Content, ...]] = ("attributes",)
    shapes: ClassVar[Mapping[str, str]] = {"matrix_": "DD"}

    reg: float = param(10.0, low=1e-3, tune=(1.0, 100.0, "log"), help="L2 weight on a person's preferences")
    columns: str = param("", help="columns to read, with commas between them; none: all texts and vectors")

    def _fit(self, data: Dataset, run: Run) -> None:
        features = _preferences.learn(data, self.columns, ("text", "vector"), "Text")
        self.kinds_, self.items_ = features.state(), _preferences.encode(features, data.schema)
        self.matrix_ = _preferences.regression(self.items_, data.positives(), self.reg, run)

    def _extend(self, schema: Schema) -> None:
        self.items_ = _preferences.encode(Features.of_state(self.kinds_), schema)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return _preferences.scores(_preferences.preferences(profiles, self.items_, self.matrix_), self.items_, items)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """What each word adds, and each item of the history to that."""
        names = Features.of_state(self.kinds_).names()
        return _preferences.contributions(profiles, self.items_, self.matrix_, items, names)

    def similarity(self, items: IntArray) -> FloatArray:
        """The cosine (C, I) of the items' words and vectors."""
        return _preferences.cosines(self.items_, items)

    def memory(self, shape: Shape) -> int:
        return _preferences.memory(shape)
