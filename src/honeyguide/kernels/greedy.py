"""Greedy choice of k of n candidates a person: each next one is the best in the light of those chosen before.

`relevance` (B, n) is of the candidates `codes` (B, n), code -1 for an empty place, which comes after the others. Each
kernel writes the columns chosen, in order, to `places` (B, k), -1 where none is left; of equal ones the first is taken.
Items have CSR rows: `indptr`, `indices`, `data`. E is the number of entries of a candidate's row.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def differ(
    start: int, stop: int, codes: IntArray, relevance: DoubleArray, indptr: LongArray, indices: IntArray,
    data: FloatArray, width: int, trade: float, places: IntArray,
) -> None:  # fmt: skip
    """By (1 - trade) relevance - trade * the largest product of the item's row with one chosen; O(k n E)."""
    n = codes.shape[1]
    row = np.zeros(width)  # of the item chosen last
    nearest, taken = np.zeros(n), np.zeros(n, np.bool_)
    for person in range(start, stop):
        nearest[:], taken[:] = 0.0, False
        for place in range(places.shape[1]):
            best, most = -1, -np.inf
            for c in range(n):
                worth = (1.0 - trade) * relevance[person, c] - trade * nearest[c]
                if codes[person, c] >= 0 and not taken[c] and worth > most:
                    best, most = c, worth
            places[person, place] = best
            if best < 0:
                continue
            taken[best] = True
            chosen = codes[person, best]
            for e in range(indptr[chosen], indptr[chosen + 1]):
                row[indices[e]] = data[e]
            for c in range(n):
                if codes[person, c] >= 0 and not taken[c]:
                    product = 0.0
                    for e in range(indptr[codes[person, c]], indptr[codes[person, c] + 1]):
                        product += data[e] * row[indices[e]]
                    nearest[c] = max(nearest[c], product)
            for e in range(indptr[chosen], indptr[chosen + 1]):
                row[indices[e]] = 0.0


@kernel
def calibrate(
    start: int, stop: int, codes: IntArray, relevance: DoubleArray, indptr: LongArray, indices: IntArray,
    data: FloatArray, ends: LongArray, aspects: IntArray, tastes: DoubleArray, width: int, trade: float,
    smoothing: float, places: IntArray,
) -> None:  # fmt: skip
    """By (1 - trade) relevance - trade * KL(taste || the list with the item); O(k (T + n E)) for T of a taste.

    `ends`, `aspects`, `tastes` are the tastes (B, V) as CSR, `width` is V.
    """
    n = codes.shape[1]
    empty = -np.log(smoothing)
    taste, sums, taken = np.zeros(width), np.zeros(width), np.zeros(n, np.bool_)  # sums of the rows chosen
    for person in range(start, stop):
        sums[:], taken[:] = 0.0, False
        known = aspects[ends[person] : ends[person + 1]]
        taste[known] = tastes[ends[person] : ends[person + 1]]
        told = 0  # chosen items that have aspects
        for place in range(places.shape[1]):
            as_is = _divergence(known, taste, sums, told, smoothing, empty)
            base = _divergence(known, taste, sums, told + 1, smoothing, empty)
            best, most = -1, -np.inf
            for c in range(n):
                item = codes[person, c]
                if item < 0 or taken[c]:
                    continue
                first, end = indptr[item], indptr[item + 1]
                away = as_is
                if end > first:
                    away = base
                    for e in range(first, end):
                        wanted, before = taste[indices[e]], sums[indices[e]]
                        away += _term(wanted, (before + data[e]) / (told + 1), smoothing, empty)
                        away -= _term(wanted, before / (told + 1), smoothing, empty)
                worth = (1.0 - trade) * relevance[person, c] - trade * away
                if worth > most:
                    best, most = c, worth
            places[person, place] = best
            if best < 0:
                continue
            taken[best] = True
            item = codes[person, best]
            for e in range(indptr[item], indptr[item + 1]):
                sums[indices[e]] += data[e]
            told += indptr[item + 1] > indptr[item]
        taste[known] = 0.0


@kernel
def _term(wanted: float, share: float, smoothing: float, empty: float) -> float:
    """One aspect's part of the divergence of a list from a taste; `empty` is -log(smoothing), that of no share."""
    away = empty  # of most tags, without a logarithm
    if share > 0.0 and wanted > 0.0:
        away = np.log(wanted / ((1.0 - smoothing) * share + smoothing * wanted))
    return wanted * away


@kernel
def _divergence(
    known: IntArray, taste: DoubleArray, sums: DoubleArray, number: int, smoothing: float, empty: float
) -> float:
    """KL of a taste, at the aspects `known`, and the mean of `number` rows that add up to `sums`."""
    total = 0.0
    for v in known:
        total += _term(taste[v], sums[v] / max(number, 1), smoothing, empty)
    return total


@kernel
def cover(
    start: int, stop: int, codes: IntArray, relevance: DoubleArray, indptr: LongArray, indices: IntArray,
    data: FloatArray, ends: LongArray, aspects: IntArray, tastes: DoubleArray, width: int, trade: float,
    places: IntArray,
) -> None:  # fmt: skip
    """By (1 - trade) relevance + trade * sum of taste_v * share_v * product over chosen of (1 - share_v); O(k n E).

    `ends`, `aspects`, `tastes` are the tastes (B, V) as CSR, `width` is V.
    """
    n = codes.shape[1]
    lacking, taken = np.zeros(width), np.zeros(n, np.bool_)  # taste times what the list does not cover yet
    for person in range(start, stop):
        lacking[:], taken[:] = 0.0, False
        for t in range(ends[person], ends[person + 1]):
            lacking[aspects[t]] = tastes[t]
        for place in range(places.shape[1]):
            best, most = -1, -np.inf
            for c in range(n):
                item = codes[person, c]
                if item < 0 or taken[c]:
                    continue
                gain = 0.0
                for e in range(indptr[item], indptr[item + 1]):
                    gain += data[e] * lacking[indices[e]]
                worth = (1.0 - trade) * relevance[person, c] + trade * gain
                if worth > most:
                    best, most = c, worth
            places[person, place] = best
            if best >= 0:
                taken[best] = True
                item = codes[person, best]
                for e in range(indptr[item], indptr[item + 1]):
                    lacking[indices[e]] *= 1.0 - data[e]


@kernel
def bound(
    start: int, stop: int, codes: IntArray, members: BoolArray, low: int, high: int, places: IntArray
) -> None:  # fmt: skip
    """The first candidates, but at least `low` and at most `high` of the items in `members` (I,), as far as there are.

    Where others do not fill the list, more than `high` do not either: places stay empty. O(n).
    """
    n, k = codes.shape[1], places.shape[1]
    for person in range(start, stop):
        inside = 0
        for c in range(n):
            inside += codes[person, c] >= 0 and members[codes[person, c]]
        due = min(low, inside)  # places kept for members
        given = others = place = 0
        for c in range(n):
            if place == k or codes[person, c] < 0:
                break
            if members[codes[person, c]]:
                take = given < high
                given += take
            else:
                take = others < k - due
                others += take
            if take:
                places[person, place] = c
                place += 1
        for rest in range(place, k):
            places[person, rest] = -1
