"""The leading singular vectors of a sparse matrix, and what they say of histories.

By ARPACK's restarted Lanczos iteration (Lehoucq et al. 1998, doi:10.1137/1.9780898719628) to the precision of float64,
or from the smaller Gram matrix where that is small: not a random sketch, so the answer is that of the whole spectrum.
Time: some 2 K products with the matrix and its transpose, and O(K^2 n) for n rows or columns, whichever are fewer.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from honeyguide.arrays import DoubleArray, FloatArray, IntArray

_DENSE = 6  # with fewer rows or columns than so many times the rank, all at once is faster than by iteration
_NOTHING = 1e-6  # a singular value under this part of the largest is rounding


def right_vectors(matrix: sp.csr_matrix, rank: int, rng: np.random.Generator) -> tuple[FloatArray, DoubleArray]:
    """(I, K) right singular vectors and (K,) singular values of a matrix (U, I), largest first; K <= rank.

    On one thread: the steps are too small to share, and waiting for each other takes many times their length.
    """
    matrix = matrix.astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        if is_dense(min(matrix.shape), rank):
            values, vectors = _at_once(matrix, rank)
        else:
            from scipy.sparse.linalg import svds

            _, values, turned = svds(matrix, k=rank, rng=rng, return_singular_vectors="vh")
            vectors = turned.T
    order = np.argsort(-values, kind="stable")[:rank]
    order = order[values[order] > _NOTHING * values.max()]
    found: FloatArray = np.ascontiguousarray(vectors[:, order], np.float32)
    found[np.bincount(matrix.indices, minlength=matrix.shape[1]) == 0] = 0.0  # not rounding, which a cosine enlarges
    return found, values[order]


def _at_once(matrix: sp.csr_matrix, rank: int) -> tuple[DoubleArray, DoubleArray]:
    """Values and vectors, in no order, from the Gram matrix of the rows or columns, whichever are fewer."""
    wide = matrix.shape[0] < matrix.shape[1]
    gram = (matrix @ matrix.T if wide else matrix.T @ matrix).toarray()
    first = max(0, len(gram) - rank)
    squares, vectors = scipy.linalg.eigh(gram, subset_by_index=(first, len(gram) - 1), overwrite_a=True)
    values = np.sqrt(np.maximum(squares, 0.0))
    return values, matrix.T @ vectors / np.where(values > 0, values, 1.0) if wide else vectors


def is_dense(fewer: int, rank: int) -> bool:
    """Whether the vectors are found all at once, in a matrix of `fewer` rows and columns."""
    return fewer <= max(256, _DENSE * rank)


def memory(users: int, items: int, events: int, rank: int) -> int:
    """Bytes that `right_vectors` takes."""
    fewer = min(users, items)
    basis = 32 * fewer**2 if is_dense(fewer, rank) else 24 * (2 * rank + 1) * fewer
    return basis + 20 * (users + items) * min(rank, fewer) + 24 * events


def projected(history: sp.csr_matrix, vectors: FloatArray, scale: FloatArray, wanted: IntArray | None) -> FloatArray:
    """(B, C) the columns `wanted`, or all, of H diag(1 / scale) V V' diag(scale), for histories (B, I) and V (I, K)."""
    inner = folded(history, vectors, scale)
    targets, times = (vectors, scale) if wanted is None else (vectors[wanted], scale[wanted])
    found = inner @ targets.T
    found *= times
    return np.asarray(found, np.float32)


def folded(history: sp.csr_matrix, vectors: FloatArray, scale: FloatArray) -> FloatArray:
    """(B, K) H diag(1 / scale) V, for histories (B, I) and V (I, K)."""
    scaled = history.copy()
    scaled.data = 1.0 / scale[history.indices]
    return np.asarray(scaled @ vectors, np.float32)


def cosines(vectors: FloatArray, items: IntArray) -> FloatArray:
    """(C, I) cosines of the rows `items` of V (I, K) with all rows; 0 where a row is zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(unit[items] @ unit.T, np.float32)
