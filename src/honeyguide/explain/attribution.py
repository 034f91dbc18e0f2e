"""What a score is made of: by the model itself, or by asking it about parts of the history.

    native      the model's own `contributions`, which add up to the score
    additive    the score of each item of the history alone, for models whose score is their sum
    integrated  integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) from no history to the whole, of the
                multilinear extension of the score (Owen 1972, doi:10.1287/mnsc.18.5.64):

        share of h = integral over t from 0 to 1 of E[f(S + h) - f(S - h)],    S holding each item with probability t

The expected difference is the gradient at t, whatever the model: no derivative of it is needed. The integral is taken
by its midpoint, t = 1/2, and the expectation over halves of the history, `_DRAWN` drawn at random, each with the other
half: 4 H + 5 questions, and one more where attributes of the person are known; of two items of the history that act
together each gets half. f is how far the score is above the mean of the `_NEXT` items that come next in the list: what
raises all scores alike puts nothing into a list. docs/log.md says how other rules fared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from honeyguide.arrays import BoolArray, DoubleArray, IntArray
from honeyguide.explain.histories import Histories, has_attributes
from honeyguide.models import lists
from honeyguide.models.contributions import Explained, Part
from honeyguide.run import Run

_NEXT, _DRAWN = 10, 2


def parts(asked: Histories, items: IntArray) -> tuple[list[list[Part]], str]:
    """The parts of the scores of items (C,), and the method: native, additive or integrated."""
    model = asked.model
    if isinstance(model, Explained):
        return model.contributions(asked.profile, items), "native"
    if model.additive:
        shares = asked.scores(np.eye(len(asked.held), dtype=bool), items).T  # (C, H)
        return [[Part("history", float(each.sum()), each)] for each in shares], "additive"
    return integrated(asked, items), "integrated"


def integrated(asked: Histories, items: IntArray) -> list[list[Part]]:
    """The history's part of how far each item (C,) is ahead of the next, and how far it is ahead without a history.

    `taste` is what is known of the person besides: what attributes say without a history, and of someone known by a
    trained vector what that says beyond the same history of someone new.
    """
    next_ = following(asked, items)
    none, taste = np.zeros((1, len(asked.held)), dtype=bool), np.zeros(len(items))
    bare = Histories(asked.model, replace(asked.profile, attributes=None))
    nothing = _ahead(bare, none, items, next_)[0]  # (C,)
    if has_attributes(asked.profile):
        taste += _ahead(asked, none, items, next_)[0] - nothing
    shares = np.mean([_gradient(asked, half, items, next_) for half in _halves(asked.held)], axis=0)  # (C, H)
    found = [
        [Part("history", float(each.sum()), each.astype(np.float32)), Part("rest", float(start))]
        for each, start in zip(shares, nothing, strict=True)
    ]
    if asked.profile.known[0] >= 0 and asked.model.fold_in == "approximate":
        known = asked.model.score(asked.profile, np.concatenate([items, next_])).astype(np.float64)
        folded = _ahead(asked, np.ones((1, len(asked.held)), dtype=bool), items, next_)
        taste += (_above(known, len(items)) - folded)[0]
    for each, more in zip(found, taste, strict=True):
        if more:
            each.append(Part("taste", float(more)))
    return found


def _gradient(asked: Histories, half: BoolArray, items: IntArray, next_: IntArray) -> DoubleArray:
    """(C, H) what each item of the history adds to a part of it, the mean over a half (H,) and the other half."""
    flipped, found = np.eye(len(half), dtype=bool), np.zeros((len(half), len(items)))
    for part in (half, ~half):
        ahead = _ahead(asked, np.concatenate([part[None], part ^ flipped]), items, next_)  # (1 + H, C)
        found += 0.5 * np.where(part, 1.0, -1.0)[:, None] * (ahead[0] - ahead[1:])
    return found.T


def _ahead(asked: Histories, keep: BoolArray, items: IntArray, next_: IntArray) -> DoubleArray:
    """(S, C) how far the items are above the mean of the next ones, for parts of the history (S, H)."""
    return _above(asked.scores(keep, np.concatenate([items, next_])).astype(np.float64), len(items))


def _above(scores: DoubleArray, count: int) -> DoubleArray:
    """(S, C) how far the first so many scores of (S, C + next) are above the mean of the next, where there are any."""
    if scores.shape[1] == count:
        return scores
    above: DoubleArray = scores[:, :count] - scores[:, count:].mean(axis=1, keepdims=True)
    return above


def whole_and_nothing(asked: Histories, items: IntArray) -> DoubleArray:
    """(2, C) what `integrated` tells the difference of: how far items are ahead with the history, and without one."""
    keep = np.array([np.ones(len(asked.held), bool), np.zeros(len(asked.held), bool)])
    return _ahead(asked, keep, items, following(asked, items))


def _halves(codes: IntArray) -> BoolArray:
    """(`_DRAWN`, H) random halves of items, in which each is or is not whatever the others are."""
    drawn = codes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: the high bits are mixed
    return np.array([drawn >> np.uint64(63 - at) & np.uint64(1) == 1 for at in range(_DRAWN)])


def following(asked: Histories, items: IntArray) -> IntArray:
    """The first `_NEXT` items of a stranger's list, those to explain left out."""
    codes, _ = lists.top_k(
        lists.source(asked.model), asked.profile.strangers(), _NEXT, exclude=items, run=Run(threads=1)
    )
    found: IntArray = codes[0][codes[0] >= 0]
    return found
