"""Exact top-k in a stream: a heap per row takes blocks of scores, so memory follows the block, not the catalogue.

A higher score wins; of equal scores the lower code. -inf and NaN are never taken. O(I + k log k log I) a row.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def _worse(score_a: float, code_a: int, score_b: float, code_b: int) -> bool:
    """Whether a ranks below b."""
    return score_a < score_b or (score_a == score_b and code_a > code_b)


@kernel
def _sift(scores: FloatArray, codes: IntArray, size: int) -> None:
    """Move the root of a heap, whose root is the worst, to its place."""
    at = 0
    score, code = scores[0], codes[0]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _worse(scores[child + 1], codes[child + 1], scores[child], codes[child]):
            child += 1
        if not _worse(scores[child], codes[child], score, code):
            break
        scores[at], codes[at] = scores[child], codes[child]
        at = child
    scores[at], codes[at] = score, code


@kernel
def offer(score: float, code: int, heap: FloatArray, codes: IntArray) -> None:
    """Put an item on a heap (k,) if it ranks above the worst there."""
    if score > -np.inf and _worse(heap[0], codes[0], score, code):
        heap[0], codes[0] = score, code
        _sift(heap, codes, len(heap))


@kernel
def push(start: int, stop: int, scores: FloatArray, codes: IntArray, best: FloatArray, best_codes: IntArray) -> None:
    """Offer scores (B, C) of the items `codes` (C,) to the heaps best, best_codes (B, k), which begin as -inf, I."""
    for row in range(start, stop):
        for column in range(scores.shape[1]):
            offer(scores[row, column], codes[column], best[row], best_codes[row])


@kernel
def settle(start: int, stop: int, best: FloatArray, best_codes: IntArray) -> None:
    """Sort each heap, best first; places never filled get code -1."""
    for row in range(start, stop):
        heap, heap_codes = best[row], best_codes[row]
        for size in range(best.shape[1] - 1, 0, -1):
            heap[0], heap[size] = heap[size], heap[0]
            heap_codes[0], heap_codes[size] = heap_codes[size], heap_codes[0]
            _sift(heap, heap_codes, size)
        for place in range(best.shape[1]):
            if heap[place] == -np.inf:
                heap_codes[place] = -1


@kernel
def mask(start: int, stop: int, scores: FloatArray, indptr: LongArray, items: IntArray, place: IntArray) -> None:
    """Set scores (B, C) of the items of each row's history to -inf; place (I,) is an item's column here, or -1."""
    for row in range(start, stop):
        for event in range(indptr[row], indptr[row + 1]):
            column = place[items[event]]
            if column >= 0:
                scores[row, column] = -np.inf
