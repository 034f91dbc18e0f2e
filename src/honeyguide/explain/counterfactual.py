"""What would have to be missing: an irreducible set of items of the history without which an item leaves the list.

(Counterfactual explanation: Wachter et al. 2017, arXiv:1711.00399; for recommenders by the person's own actions:
PRINCE, Ghazimatin et al. 2020, arXiv:1911.08378.) Found greedily: items of the history are left out, those of the
largest share first, 1, 2, 4, … of them, until the item is no longer among the first k; then each of them whose return
alone would not bring the item back returns, the one of the smallest share first. What is left is irreducible: with any
one of them back, the item is in the list again. All questions of a step are asked at once, for all explained items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from honeyguide.arrays import BoolArray, FloatArray, IntArray
from honeyguide.explain.histories import Histories

_MOST = 32  # items of the history that may be missing


def counterfactuals(asked: Histories, items: IntArray, shares: FloatArray, k: int) -> list[IntArray | None]:
    """For items (C,) with the shares (C, H): which of `asked.held` would have to be missing.

    None where leaving out those of the largest positive shares, `_MOST` at the most, does not move the item out of the
    first k; nor does an item that the model, asked as of someone new, does not put there in the first place have one.
    """
    orders = [_order(each) for each in shares]
    tried = [(at, order[:length]) for at, order in enumerate(orders) for length in _lengths(len(order))]
    places = asked.places(_keep(len(asked.held), [each for _, each in tried]), items[[at for at, _ in tried]])
    found: list[IntArray | None] = [None] * len(items)
    outside = {at for (at, each), place in zip(tried, places, strict=True) if not len(each) and place > k}
    for (at, each), place in zip(tried, places, strict=True):
        if place > k and found[at] is None and at not in outside:
            found[at] = each
    return _irreducible(asked, items, found, k)


def _order(shares: FloatArray) -> IntArray:
    """Items of the history whose share is positive, the largest first, at most `_MOST`."""
    order = np.argsort(-shares, kind="stable")
    return order[shares[order] > 0][:_MOST].astype(np.int32)


def _keep(count: int, missing: Sequence[IntArray]) -> BoolArray:
    """(S, H) what is left of a history without each of some sets."""
    keep = np.ones((len(missing), count), dtype=bool)
    for row, each in enumerate(missing):
        keep[row, each] = False
    return keep


def _lengths(count: int) -> list[int]:
    """0, 1, 2, 4, … and the count itself."""
    return sorted({0, count} | {1 << power for power in range(_MOST.bit_length()) if 1 << power < count})


def _irreducible(asked: Histories, items: IntArray, found: list[IntArray | None], k: int) -> list[IntArray | None]:
    """The sets, each an order, without those that may return: the last first, until none may."""
    open_ = [at for at, each in enumerate(found) if each is not None and len(each) > 1]
    while open_:
        tried = [(at, place) for at in open_ for place in range(len(_of(found, at)))]
        sets = [np.delete(_of(found, at), place) for at, place in tried]
        places = asked.places(_keep(len(asked.held), sets), items[[at for at, _ in tried]])
        out: dict[int, IntArray] = {}
        for (at, _), smaller, place in zip(tried, sets, places, strict=True):
            if place > k:
                out[at] = smaller  # of several, the one that lets the smallest share return is the last
        found = [out.get(at, each) for at, each in enumerate(found)]
        open_ = [at for at in out if len(out[at]) > 1]
    return found


def _of(found: Sequence[IntArray | None], at: int) -> IntArray:
    each = found[at]
    assert each is not None
    return each
