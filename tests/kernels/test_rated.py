"""Similarities of ratings against dense loops over pairs; both ways of adding up; ties; whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide import Run
from honeyguide.arrays import AnyArray
from honeyguide.kernels import rated


def ratings(rng: np.random.Generator, rows: int, columns: int, density: float) -> sp.csr_matrix:
    """Half-stars, less the middle of the scale, with rows that hold nothing."""
    values = (rng.integers(1, 11, (rows, columns)) / 2.0 - 2.75).astype(np.float32)
    values[rng.random((rows, columns)) >= density] = 0.0
    values[: rows // 8] = 0.0
    return sp.csr_matrix(values)


def alike(a: AnyArray, b: AnyArray, measure: str, least: int, shrink: float) -> float:
    """The similarity of two rows, 0 being no rating, from the formulas of the module."""
    both = (a != 0) & (b != 0)
    a, b, n = a[both].astype(np.float64), b[both].astype(np.float64), int(both.sum())
    if n < max(1, least):
        return 0.0
    if measure == "msd":
        return float(1.0 / (1.0 + ((a - b) ** 2).mean()))
    if measure == "pearson":
        return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else float(np.corrcoef(a, b)[0, 1])
    cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    return cosine if measure == "cosine" else cosine * (n - 1) / (n - 1 + shrink) if n > 1 else 0.0


@pytest.mark.parametrize("measure", rated.MEASURES)
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_a_history_is_compared_with_all_rows_but_those_of_its_columns(measure: str, density: float) -> None:
    x, rule = ratings(np.random.default_rng(5), 40, 12, density), (rated.MEASURES.index(measure), 1, 7.0)
    counts, dense = np.diff(x.indptr).astype(np.int32), x.toarray()
    for row in range(40):
        found = rated.likeness(x[row], x.T.tocsr(), counts, rule)
        same = ((dense != 0) == (dense[row] != 0)).all(axis=1)
        wanted = [0.0 if same[v] else max(0.0, alike(dense[row], dense[v], measure, 1, 7.0)) for v in range(40)]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 30), st.integers(1, 12), st.sampled_from([0.05, 0.3, 0.9]), st.sampled_from(rated.MEASURES),
    st.integers(1, 3), st.sampled_from([None, 1, 4, 99]), st.integers(0, 999),
)  # fmt: skip
def test_rows_hold_the_largest_similarities(
    rows: int, columns: int, density: float, measure: str, least: int, keep: int | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, shrink = ratings(rng, rows, columns, density), float(rng.choice([0.0, 7.0]))
    rule = (rated.MEASURES.index(measure), least, shrink)
    own = rng.permutation(rows).astype(np.int32)[: rows - seed % 2]
    found, dense = rated.nearest(x, own, rule, keep=keep, run=Run(threads=1)), x.toarray()
    for place, row in enumerate(own):
        whole = np.array([alike(dense[row], other, measure, least, shrink) for other in dense])
        whole[row] = 0.0
        codes = found[place].indices
        assert (np.diff(found[place].data) <= 0).all()
        np.testing.assert_allclose(found[place].data, whole[codes], rtol=1e-5)
        assert len(codes) == min(keep or rows, rows - 1, np.count_nonzero(whole > 1e-7))
        left = np.delete(whole, codes)
        assert not len(codes) or left.max(initial=0.0) <= found[place].data.min() * (1 + 1e-5)


@pytest.mark.parametrize("measure", range(4))
def test_few_additions_and_many_give_the_same(measure: int) -> None:
    """Empty rows raise the number of rows above that of the additions, and change nothing."""
    x = ratings(np.random.default_rng(2), 40, 15, 0.4)
    sparse = sp.vstack([x, sp.csr_matrix((5000, 15), dtype=np.float32)], format="csr")
    own = np.arange(40, dtype=np.int32)
    many, few = (rated.nearest(m, own, (measure, 2, 5.0), keep=9, run=Run(threads=1)) for m in (x, sparse))
    np.testing.assert_array_equal(many.toarray(), few[:, :40].toarray())
    assert few[:, 40:].nnz == 0


def test_equal_similarities_go_to_the_lower_row_whatever_the_threads() -> None:
    x, own = sp.csr_matrix(np.ones((100, 3), np.float32)), np.arange(100, dtype=np.int32)
    one, two = (rated.nearest(x, own, (1, 1, 0.0), keep=4, run=Run(threads=threads)) for threads in (1, 2))
    assert one[0].indices.tolist() == [1, 2, 3, 4]
    assert one[2].indices.tolist() == [0, 1, 3, 4]
    assert (one != two).nnz == 0


def test_a_rating_that_never_varies_is_like_nothing_by_pearson() -> None:
    """Also where sums of what is no binary fraction leave a trace of a variance."""
    rng = np.random.default_rng(0)
    x = rng.random((40, 1000)).astype(np.float32) + np.float32(70.1)
    x[1:] = x[1:, :1]
    found = rated.nearest(sp.csr_matrix(x), np.arange(40, dtype=np.int32), (2, 1, 0.0), keep=3, run=Run(threads=1))
    assert found.nnz == 0


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([1, 2, 3, 7, 1 << 20, (1 << 31) - 2]) | st.integers(1, 99), max_size=40), st.integers(1, 9)
)
def test_the_bar_lets_the_largest_pass(values: list[int], wanted: int) -> None:
    bound, equal = rated.bar(np.array(values, np.int32), wanted)
    passed = [value for value in values if value > bound] + [bound] * min(equal, values.count(bound))
    assert sorted(passed) == sorted(values)[-wanted:]
