"""How far each of several models is to be trusted, by how much is known of a person: what switch.py is fitted by.

People are dealt into parts; each part is held out in turn from all models and asked about as new, with so many of
their positives shown, any or the first in time, and the others hidden. For items that nobody has, items are held out.
Time: the models' fits, O(levels U I M) for U people, I items and M models, and O(levels U G P) for G mixtures and the P
items that the models propose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import comb

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, LongArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender
from honeyguide.run import Run

LEVELS = (0, 1, 2, 4, 8, 16, 32, 64, 128)  # positives that are known
_CELLS = 8 << 20  # scores made at once
_K = 10  # of ndcg
_POOL = 100  # best items of each model that a mixture chooses from
_PEOPLE = 2000  # asked about at most
_MIXTURES = 300  # at most
_HELD = 10  # one in so many items is held out
_ERRORS = 2.0  # standard errors that a mixture has to be ahead by
_TIE = 1e-13  # less than what scores differ by where they do


def judge(
    make: Callable[[], Sequence[Recommender]],
    data: Dataset,
    *,
    folds: int,
    timed: bool,
    run: Run,
    told: Callable[[], None],
) -> tuple[DoubleArray, DoubleArray]:
    """(L, M) the mixture for each level; (L, M + 1) ndcg@10 there, of each model alone and of the mixture.

    One mixture is that of people with all they have, but for the last of it: the best if it is ahead of the best model
    alone by more than two standard errors over people, else that model. At a level it is left, by the same rule, for
    the best there. `make` builds the M models. NaN where nobody has more positives than the level.
    """
    rng, models = run.rng(), len(make())
    mixtures = simplex(models)
    fold = rng.permutation(data.n_users) % folds
    asked = rng.permutation(data.n_users)
    gains: list[list[DoubleArray]] = [[np.zeros((len(mixtures), 0))] for _ in LEVELS]
    whole: list[DoubleArray] = [np.zeros((len(mixtures), 0))]
    for part in range(folds):
        rest = data.take(fold[data.users] != part)
        people = asked[fold[asked] == part][: -(-_PEOPLE // folds)]
        if data.schema.positive.mask(rest.values).any():
            members = [model.fit(rest, run=run) for model in make()]
            known = np.bincount(rest.positives().indices, minlength=data.n_items) > 0
            for level, shown, hidden in _asked(data.profiles(np.sort(people)).strangers(), timed, rng):
                gains[level].append(_gains(members, shown, hidden, known, mixtures))
                left = LEVELS[level] + np.diff(hidden.indptr)
                whole.append(gains[level][-1][:, left <= np.append(LEVELS, left.max())[level + 1]])
            del members  # before the next are fitted
        told()
    return _weighed([np.concatenate(each, axis=1) for each in gains], np.concatenate(whole, axis=1), mixtures)


def judge_new(make: Callable[[], Sequence[Recommender]], able: BoolArray, data: Dataset, *, run: Run) -> DoubleArray:
    """(M,) the mixture for items that nobody has, of the models that are `able` to know them.

    A tenth of the items is held out with all events from these models, and people who have some of it are asked about.
    The best model alone, or a mixture that is ahead of it by more than two standard errors over people.
    """
    out: DoubleArray = able / max(1, able.sum())
    if able.sum() < 2:
        return out
    rng, positives = run.rng(1), data.positives()
    had = np.flatnonzero(np.bincount(positives.indices, minlength=data.n_items))
    new = np.zeros(data.n_items, bool)
    new[rng.permutation(had)[: len(had) // _HELD]] = True
    rest, wanted = data.take(~new[data.items]), positives.multiply(new[None]).tocsr()
    wanted.eliminate_zeros()
    people = np.flatnonzero((np.diff(wanted.indptr) > 0) & (np.diff(rest.positives().indptr) > 0))
    if not len(people):
        return out
    people = np.sort(rng.permutation(people)[:_PEOPLE])
    members = [model.fit(rest, run=run) for model, knows in zip(make(), able, strict=True) if knows]
    known = np.zeros(data.n_items, bool)
    known[had] = ~new[had]
    mixtures = simplex(len(members))
    gains = _gains(members, rest.profiles(people), wanted[people].astype(bool), known, mixtures, among=new)
    out[able] = mixtures[_clearest(gains, _best_alone(gains, mixtures))]
    return out


def _alone(mixtures: DoubleArray) -> LongArray:
    """(M,) which of the mixtures (G, M) is each model alone."""
    return np.array([np.flatnonzero(mixtures[:, model] == 1.0)[0] for model in range(mixtures.shape[1])])


def _best_alone(gains: DoubleArray, mixtures: DoubleArray) -> int:
    """Which of these is the best by what people have of each mixture (G, P)."""
    alone = _alone(mixtures)
    return int(alone[gains.mean(axis=1)[alone].argmax()])


def _weighed(gains: list[DoubleArray], whole: DoubleArray, mixtures: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """What `judge` gives, of what people have of each mixture (G, P) at each level and with nearly all they have."""
    models = mixtures.shape[1]
    weights, found = np.full((len(LEVELS), models), 1.0 / models), np.full((len(LEVELS), models + 1), np.nan)
    if whole.shape[1]:
        alone = _alone(mixtures)
        most = _clearest(whole, _best_alone(whole, mixtures))
        for level, each in enumerate(gains):
            best = _clearest(each, most)
            weights[level] = mixtures[best]
            if each.shape[1]:
                found[level] = each[[*alone, best]].mean(axis=1)
    return weights, found


def _clearest(gains: DoubleArray, usual: int) -> int:
    """The best mixture by what people have of each (G, P), if it is clearly ahead of the usual one, else that."""
    if not gains.shape[1]:
        return usual
    best = int(gains.mean(axis=1).argmax())
    ahead = gains[best] - gains[usual]
    return best if ahead.mean() > _ERRORS * ahead.std() / np.sqrt(len(ahead)) else usual


def level_of(positives: sp.csr_matrix) -> LongArray:
    """(B,) the level of each profile, by its positives (B, I): the highest that it reaches."""
    return np.asarray(np.searchsorted(LEVELS, np.diff(positives.indptr), side="right") - 1, np.int64)


def simplex(models: int) -> DoubleArray:
    """(G, M) mixtures in steps as even and as small as the number of mixtures allows, each model alone among them."""
    steps = next((s for s in (10, 5, 4, 3, 2) if comb(s + models - 1, models - 1) <= _MIXTURES), 1)
    if steps == 1:
        return np.eye(models)
    found = [each for each in product(range(steps + 1), repeat=models - 1) if sum(each) <= steps]
    return np.array([(*each, steps - sum(each)) for each in found]) / steps


def standard(scores: FloatArray, known: BoolArray, seen: BoolArray) -> FloatArray:
    """(B, I) scores of which 0 is the mean and 1 that of the ten best, among items (I,) known and not seen (B, I).

    Where these are equal it is the mean alone that is taken off.
    """
    free = known & ~seen[:, : len(known)]
    count = free.sum(axis=1, keepdims=True)
    mean = np.where(free, scores, 0.0).sum(axis=1, keepdims=True, dtype=np.float64) / np.maximum(count, 1)
    width = min(_K, len(known))
    best = np.partition(np.where(free, scores, -np.inf), -width, axis=1)[:, -width:]
    there = np.isfinite(best)
    top = np.where(there, best, 0.0).sum(axis=1, keepdims=True, dtype=np.float64) / np.maximum(
        there.sum(axis=1)[:, None], 1
    )
    apart = top - mean
    says = apart > 1e-6 * np.abs(top)  # more than rounding
    return np.asarray((scores - mean) / np.where(says, apart, 1.0), np.float32)


def seen_in(profiles: Profiles) -> BoolArray:
    """(B, I) what is in the histories."""
    seen = np.zeros((len(profiles), len(profiles.schema.items)), bool)
    seen[profiles.rows, profiles.items] = True
    return seen


def _asked(profiles: Profiles, timed: bool, rng: np.random.Generator) -> Iterator[tuple[int, Profiles, sp.csr_matrix]]:
    """Level, profiles with so many positives, and the others (B, I), for whom has more than that."""
    items, whole = np.int64(len(profiles.schema.items)), profiles.positives()
    good = np.repeat(np.arange(len(profiles)), np.diff(whole.indptr)) * items + whole.indices
    keys = profiles.rows * items + profiles.items
    pairs, first, place = np.unique(keys, return_index=True, return_inverse=True)  # (N,), (N,), (E,)
    rows, draw = pairs // items, rng.random(len(pairs))
    order = np.lexsort((draw, profiles.times[first], rows) if timed and profiles.times is not None else (draw, rows))
    counted = np.isin(pairs[order], good).astype(np.int64)
    before = np.cumsum(counted) - counted  # (N,) positives before each, of all people
    begin = np.searchsorted(rows[order], np.arange(len(profiles) + 1))
    total = np.append(before, counted.sum())[begin]
    number = np.empty(len(pairs), np.int64)  # (N,) of the person's positives up to each pair, itself included
    number[order] = before + counted - total[rows[order]]
    for level, count in enumerate(LEVELS):
        there = np.flatnonzero(np.diff(total) > count)
        if len(there):
            shown = profiles.where_events((number[place] <= count) & (count > 0)).take(there)
            hidden = np.isin(pairs, good) & (number > count) & np.isin(rows, there)
            at = np.searchsorted(there, rows[hidden]), pairs[hidden] % items
            yield level, shown, sp.csr_matrix((np.ones(len(at[0]), bool), at), shape=(len(there), items))


def _gains(
    members: Sequence[Recommender], shown: Profiles, hidden: sp.csr_matrix, known: BoolArray, mixtures: DoubleArray,
    among: BoolArray | None = None,
) -> DoubleArray:  # fmt: skip
    """(G, B) ndcg@10 of the lists of each mixture, of the items (I,) that are `known`, or `among` others."""
    codes, out = np.flatnonzero(known if among is None else among), np.empty((len(mixtures), len(shown)))
    step = max(1, _CELLS // (len(known) * len(members)))
    ideal = np.cumsum(_discounts(_K))
    for first in range(0, len(shown), step):
        asked, wanted = shown.take(slice(first, first + step)), hidden[first : first + step]
        seen = seen_in(asked)
        said = np.stack([standard(model.score(asked), known, seen)[:, codes] for model in members])  # (M, B, W)
        said[:, seen[:, codes]] = -np.inf
        at = _proposed(said)  # (B, P)
        again = np.zeros(at.shape, bool)
        again[:, 1:] = at[:, 1:] == at[:, :-1]
        held = np.take_along_axis(said, at[None], axis=2)
        gone = again | ~np.isfinite(held).all(axis=0)
        held = np.where(gone, 0.0, held)
        hit = np.take_along_axis(wanted.toarray()[:, codes], at, axis=1)
        best = ideal[np.minimum(np.diff(wanted.indptr), _K) - 1]
        for number, mixture in enumerate(mixtures):
            mixed = np.where(gone, -np.inf, np.tensordot(mixture, held, axes=1))
            out[number, first : first + len(asked)] = _gain(mixed, hit & ~gone) / best
    return out


def _proposed(said: FloatArray) -> LongArray:
    """(B, P) the best items of each model (M, B, W), sorted; some are there more than once."""
    width = min(_POOL, said.shape[2])
    best = [np.argpartition(_falling(each), width - 1, axis=1)[:, :width] for each in said]
    return np.sort(np.concatenate(best, axis=1), axis=1)


def _gain(mixed: DoubleArray, hit: BoolArray) -> DoubleArray:
    """(B,) the discounted gain of the best places of scores (B, P)."""
    width = min(_K, mixed.shape[1])
    keys = _falling(mixed)
    top = np.argpartition(keys, width - 1, axis=1)[:, :width]
    order = np.argsort(np.take_along_axis(keys, top, axis=1), axis=1)
    return np.asarray(np.take_along_axis(hit, np.take_along_axis(top, order, axis=1), axis=1) @ _discounts(width))


def _falling(scores: AnyArray) -> DoubleArray:
    """Numbers (B, P) that rise as scores fall, and from one item to the next where scores are equal, as in lists."""
    return np.asarray(_TIE * np.arange(scores.shape[1]) - scores)


def _discounts(width: int) -> DoubleArray:
    return np.asarray(1.0 / np.log2(np.arange(width) + 2.0))
