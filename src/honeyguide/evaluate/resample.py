"""Bootstrap over people, sign-flip tests and Holm's correction: arrays in, arrays out.

A metric is sum over people of sums (P,) over sum of counts (P,): of a ranking metric the person's value and 1, of a
rating metric the person's summed loss and number of pairs. Resampling whole people keeps what one person's events share
(Efron and Tibshirani 1993, ISBN 9780412042317; Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x).
Time O(resamples * P * M) for M metrics; memory 64 MB a block of resamples.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray

_CELLS = 8 << 20  # weights made at once


def bootstrap(sums: DoubleArray, counts: DoubleArray, resamples: int, *, seed: int) -> DoubleArray:
    """(resamples, M) the ratio of each column of sums and counts (P, M), over people drawn with replacement.

    The same seed draws the same people, so that resamples of several models are paired.
    """
    people = len(sums)
    rng = np.random.default_rng(seed)
    ratios = np.empty((resamples, sums.shape[1]))
    step = max(1, _CELLS // max(1, people))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        drawn = rng.integers(people, size=(stop - start, people)) + np.arange(stop - start)[:, None] * people
        weights = np.bincount(drawn.ravel(), minlength=(stop - start) * people).reshape(-1, people).astype(np.float64)
        ratios[start:stop] = ratio(weights @ sums, weights @ counts)  # (r, M)
    return ratios


def interval(ratios: DoubleArray, level: float = 0.95) -> tuple[DoubleArray, DoubleArray]:
    """(M,) low and high ends of the percentile interval of each column; resamples without any count are left out."""
    low, high = np.full(ratios.shape[1], np.nan), np.full(ratios.shape[1], np.nan)
    some = ~np.isnan(ratios).all(axis=0)
    tail = (1 - level) / 2
    if some.any():
        low[some], high[some] = np.nanquantile(ratios[:, some], [tail, 1 - tail], axis=0)
    return low, high


def sign_flip(differences: DoubleArray, flips: int, *, seed: int) -> DoubleArray:
    """(C,) two-sided p-values that people's differences (P, C) have mean 0: signs flipped a person at a time.

    Under the null hypothesis that the two models are exchangeable for each person, each sign is as likely. The count
    includes the data as they are: p >= 1 / (flips + 1).
    """
    people = len(differences)
    rng = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=0))
    bar = observed * (1 - 1e-12)  # sums in another order must not hide a tie
    extreme = np.zeros(differences.shape[1], np.int64)
    step = max(1, _CELLS // max(1, people))
    for start in range(0, flips, step):
        number = min(step, flips - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes((number * people + 7) // 8), np.uint8))[: number * people]
        signs = bits.reshape(number, people).astype(np.float64) * 2 - 1
        extreme += (np.abs(signs @ differences) >= bar).sum(axis=0)
    p_values: DoubleArray = (extreme + 1) / (flips + 1)
    return p_values


def holm(p_values: DoubleArray) -> DoubleArray:
    """(C,) p-values corrected for C tests (Holm 1979, https://www.jstor.org/stable/4615733)."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def ratio(sums: DoubleArray, counts: DoubleArray) -> DoubleArray:
    """sums / counts; NaN where the count is 0."""
    found: DoubleArray = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=np.asarray(counts) > 0)
    return found
