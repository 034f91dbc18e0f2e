"""Why this? Reasons for what a model recommends, and the measure of how true they are.

attribution     what a score is made of: by the model itself, or by asking it about parts of the history
counterfactual  what would have to be missing for an item to leave the list
reasons         the form: Explanation, Reason, Evidence
wording         the same in English and Chinese
fidelity        deletion and insertion curves, additivity, stability: `check`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from honeyguide import params
from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Id
from honeyguide.errors import ParameterError
from honeyguide.explain import wording
from honeyguide.explain.attribution import parts
from honeyguide.explain.counterfactual import counterfactuals
from honeyguide.explain.histories import Histories, place_of
from honeyguide.explain.reasons import Evidence, Explanation, History, Reason, explanation, shares_of
from honeyguide.models import lists, people
from honeyguide.models.base import Recommender, fitted
from honeyguide.run import Run

__all__ = ["Evidence", "Explanation", "Reason", "explain"]


def explain(
    model: Recommender,
    user: Id | None = None,
    *,
    history: people.History | None = None,
    attributes: people.Attributes | None = None,
    context: Mapping[str, Any] | None = None,
    at: people.Moment | None = None,
    item: Id | Sequence[Id] | None = None,
    k: int = 10,
    reasons: int = 3,
    counterfactual: bool | None = None,
    language: str = "en",
) -> Any:
    """Why `item` is recommended to someone of the training data, or to someone new: an Explanation.

    Of several items, and of the k best without any, a list of them. Who is asked about is said as for `recommend`.
    `reasons` are how many are named at most. `counterfactual` also looks for what would have to be missing for an item
    of the first k to leave them; None: where the model does not know itself what its scores are made of.

    Native reasons are exact. Others are found by asking the model about parts of the history, as of someone new: of a
    model whose `fold_in` is approximate they explain what it would recommend to a stranger of the same history.
    """
    fitted(model)
    params.at_least_one("reasons", reasons)
    params.at_least_one("k", k)
    wording.of(language)
    profiles, names = people.ask(model, user, history, attributes)
    if len(profiles) != 1:
        raise ParameterError(f"explain one person at a time, got {len(profiles)}.")
    profile = people.asked_at(profiles, at, context)
    single = isinstance(item, int | str | np.integer)
    wanted = _wanted(model, profile, item, k)
    found = _explained(
        model, profile, names[0] if user is not None else None, wanted, k, reasons, counterfactual, language
    )
    return found[0] if single else found


def _wanted(model: Recommender, profile: Profiles, item: Id | Sequence[Id] | None, k: int) -> IntArray:
    """(C,) the codes of the items to explain."""
    if item is not None:
        return np.array([model.schema_.items.code(each, "item") for each in people.listed_ids(item)], np.int32)
    codes, _ = lists.top_k(lists.source(model), profile, k, run=Run(threads=1))
    best: IntArray = codes[0][codes[0] >= 0]
    return best


def _explained(
    model: Recommender, profile: Profiles, user: Id | None, items: IntArray, k: int, reasons: int,
    counterfactual: bool | None, language: str,
) -> list[Explanation]:  # fmt: skip
    asked = Histories(model, profile)
    made, method = parts(asked, items)
    scores = model.score(profile, None)[0]
    missing: list[IntArray | None] = [None] * len(items)
    if counterfactual or (counterfactual is None and method == "integrated"):
        free = np.flatnonzero(np.isin(items, asked.candidates))
        shares = np.stack([shares_of(each, len(asked.held)) for each in made]) if made else np.zeros((0, 0), np.float32)
        for at, each in zip(free, counterfactuals(asked, items[free], shares[free], k), strict=True):
            missing[at] = each
    places, history = _places(scores, asked.candidates, items), History.of(profile)
    return [
        explanation(
            history, user, int(item), float(scores[item]), place, each, method, gone,
            k=k, most=reasons, language=language,
        )
        for item, place, each, gone in zip(items, places, made, missing, strict=True)
    ]  # fmt: skip


def _places(scores: FloatArray, candidates: IntArray, items: IntArray) -> list[int | None]:
    """The place of each item among the candidates; None for one that is not among them."""
    free = np.isin(items, candidates)
    found = iter(
        place_of(np.broadcast_to(scores[candidates], (int(free.sum()), len(candidates))), candidates, items[free])
    )
    return [int(next(found)) if each else None for each in free]
