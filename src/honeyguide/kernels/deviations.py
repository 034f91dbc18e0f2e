"""How much higher one item is rated than another by the people who rated both: mean differences, a row at a time.

Of a matrix of ratings X (U, I), the row of item i holds, for each other item j that shares a person with it,

    deviation_ij = sum of (r_ui - r_uj) over the people u of both / their number

Time: twice the sum of squared row lengths of X. Memory: 12 bytes a pair of items that share a person, in both orders,
and 24 bytes an item a call: never a matrix of all pairs.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def count_pairs(
    start: int, stop: int, indptr: AnyArray, people: AnyArray, row_indptr: AnyArray, columns: AnyArray, out: LongArray
) -> None:
    """Set `out` (I,), from start to stop, to the number of other items that share a person with each.

    `indptr`, `people` is X by items, `row_indptr`, `columns` X by people.
    """
    last = np.full(len(indptr) - 1, -1, np.int32)  # (I,) the item that was last seen beside each
    for item in range(start, stop):
        last[item] = item
        found = 0
        for at in range(indptr[item], indptr[item + 1]):
            for place in range(row_indptr[people[at]], row_indptr[people[at] + 1]):
                found += last[columns[place]] != item
                last[columns[place]] = item
        out[item] = found


@kernel
def deviate(
    start: int, stop: int, indptr: AnyArray, people: AnyArray, values: FloatArray, row_indptr: AnyArray,
    columns: AnyArray, row_values: FloatArray, offsets: LongArray, codes: IntArray, deviations: FloatArray,
    common: IntArray,
) -> None:  # fmt: skip
    """Fill the rows start … stop of the pairs, which begin at `offsets` (I + 1,): the other item, deviation, people.

    `values` are the ratings by items, `row_values` by people; the rest is as in `count_pairs`.
    """
    count = len(indptr) - 1
    sums, counts = np.zeros(count), np.zeros(count, np.int32)
    for item in range(start, stop):
        first = end = offsets[item]
        for at in range(indptr[item], indptr[item + 1]):
            own = np.float64(values[at])
            for place in range(row_indptr[people[at]], row_indptr[people[at] + 1]):
                other = columns[place]
                if counts[other] == 0 and other != item:
                    codes[end] = other
                    end += 1
                sums[other] += own - row_values[place]
                counts[other] += 1
        for at in range(first, end):
            deviations[at], common[at] = sums[codes[at]] / counts[codes[at]], counts[codes[at]]
            sums[codes[at]], counts[codes[at]] = 0.0, 0
        sums[item], counts[item] = 0.0, 0


@kernel
def expect(
    start: int, stop: int, indptr: AnyArray, items: AnyArray, values: FloatArray, asked_indptr: LongArray,
    asked: IntArray, offsets: LongArray, codes: IntArray, deviations: FloatArray, common: IntArray, weighted: bool,
    means: FloatArray, found: IntArray,
) -> None:  # fmt: skip
    """Set `means` (M,) to the mean of deviation_ij + value_j over the items j of each history that share people with i.

    Row b of the histories (B, I), in start … stop, is asked about asked[asked_indptr[b]] … (M,); -1 is one never seen.
    Each j counts once, or, `weighted`, as often as there are people of both. `found` (M,) are the numbers of items j;
    with none the mean is 0. Either the rows of what is asked are read or those of the history, whichever are shorter.
    """
    count = len(offsets) - 1
    mine, held = np.zeros(count, np.float32), np.zeros(count, np.bool_)
    sums, weights, counts = np.zeros(count), np.zeros(count), np.zeros(count, np.int32)
    for row in range(start, stop):
        history, wanted = items[indptr[row] : indptr[row + 1]], asked[asked_indptr[row] : asked_indptr[row + 1]]
        read, read_history = 0, 0
        for item in wanted:
            read += offsets[item + 1] - offsets[item] if item >= 0 else 0
        for item in history:
            read_history += offsets[item + 1] - offsets[item]
        for at in range(indptr[row], indptr[row + 1]):
            mine[items[at]], held[items[at]] = values[at], True
        if read_history < read:
            sums[:], weights[:], counts[:] = 0.0, 0.0, 0
            for other in history:
                for at in range(offsets[other], offsets[other + 1]):
                    weight = np.float64(common[at]) if weighted else 1.0
                    sums[codes[at]] += weight * (mine[other] - deviations[at])
                    weights[codes[at]] += weight
                    counts[codes[at]] += 1
        for place in range(asked_indptr[row], asked_indptr[row + 1]):
            item = asked[place]
            total, weight, number = 0.0, 0.0, 0
            if item >= 0 and read_history < read:
                total, weight, number = sums[item], weights[item], counts[item]
            elif item >= 0:
                for at in range(offsets[item], offsets[item + 1]):
                    if held[codes[at]]:
                        one = np.float64(common[at]) if weighted else 1.0
                        total += one * (deviations[at] + mine[codes[at]])
                        weight += one
                        number += 1
            means[place], found[place] = total / weight if number else 0.0, number
        for item in history:
            held[item] = False
