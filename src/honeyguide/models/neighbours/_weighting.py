"""How much sharing a column says of two rows of a matrix of ones: cosine, TF-IDF, BM25.

Rows are items and columns people, or the other way round. On a matrix of ones every weighting comes down to a weight
for each column and a length for each row, because all that differs within a row is the columns' part:

    <x_a, x_b> = sum of weight_c over the columns c of both,    similarity = <x_a, x_b> / (length_a length_b + shrink)

    cosine   weight_c = 1                                 length_a = |x_a|
    tfidf    weight_c = log(1 + rows / rows with c)^2     length_a = |x_a| = sqrt(sum of weight_c over the columns of a)
    bm25     weight_c = log(1 + rows / rows with c)^2     length_a = 1 + k1 (1 - b + b columns of a / mean columns)

BM25 (Robertson and Zaragoza 2009, doi:10.1561/1500000019, eq. 3.15) gives an entry of row a idf_c (k1 + 1) / length_a;
the constant (k1 + 1)^2 is left out. Time and memory: linear in the matrix.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray

Weighting: TypeAlias = Literal["cosine", "tfidf", "bm25"]


def column_weights(ones: sp.csr_matrix, weighting: Weighting) -> FloatArray:
    """(N,) what each column of a matrix (R, N) counts; one that no row has counts nothing."""
    rows = np.bincount(ones.indices, minlength=ones.shape[1])
    if weighting == "cosine":
        return np.ones(len(rows), np.float32)
    return np.where(rows > 0, np.log1p(ones.shape[0] / np.maximum(rows, 1)) ** 2, 0.0).astype(np.float32)


def inverse_lengths(
    ones: sp.csr_matrix, weights: FloatArray, weighting: Weighting, *, k1: float, b: float, mean: float
) -> FloatArray:
    """(R,) one over the length of each row, 0 for an empty one; `mean` is the mean number of columns of a row."""
    columns = np.diff(ones.indptr)
    if weighting == "bm25":
        lengths = 1.0 + k1 * (1.0 - b + b * columns / mean)
    else:
        lengths = np.sqrt(ones @ weights.astype(np.float64))
    return np.where(columns > 0, 1.0 / np.where(lengths > 0, lengths, 1.0), 0.0).astype(np.float32)


def mean_columns(ones: sp.csr_matrix) -> float:
    """The mean number of columns of the rows that have any."""
    return float(ones.nnz) / max(1, int(np.count_nonzero(np.diff(ones.indptr))))
