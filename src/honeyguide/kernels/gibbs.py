"""Gibbs sampling of a factorisation machine whose features come in relation blocks.

(Rendle 2013, doi:10.14778/2535573.2488340.) An event n has one row in each block: of its person, its item, its day. A
row r is a sparse sum of features, q_r = sum over j of x_rj v_j, and an event's prediction is

    w0 + sum over its rows of l_r + sum over pairs of its rows of q_r.q_s,
    l_r = sum_j x_rj w_j + (|q_r|^2 - sum_j x_rj^2 |v_j|^2) / 2

which is linear in (w_j, v_j) =: t_j of one feature, given all others: its slope at an event of row r is x_rj (1, o_n +
q_r - x_rj v_j), o_n being what the event's rows in other blocks sum to. So t_j is drawn whole from its Gaussian, from
sums over each row's events of z_n = (1, o_n): counts, sum z, sum z z', sum e, sum e z, which are brought up to date as
rows move. A pass takes O(N K^2) for N events and O(nnz K^2 + D K^3) for D features, however many features an event has.

Vectors are of K = factors + 1 numbers, the first one w or l, padded with zeros to a width that vector units like.
"""

from __future__ import annotations

import math

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel


@summing_kernel
def form_rows(
    start: int, stop: int, indptr: LongArray, features: IntArray, weights: FloatArray, vectors: FloatArray,
    out: FloatArray,
) -> None:  # fmt: skip
    """Set out[r] (R, W) to (l_r, q_r), r in start … stop, of CSR rows of features with their vectors (D, W)."""
    width = vectors.shape[1]
    total = np.empty(width, np.float32)
    for row in range(start, stop):
        total[:] = 0.0
        squares = np.float32(0.0)
        for at in range(indptr[row], indptr[row + 1]):
            x, vector = weights[at], vectors[features[at]]
            own = np.float32(0.0)
            for k in range(width):
                total[k] += x * vector[k]
                own += vector[k] * vector[k]
            squares += x * x * (own - vector[0] * vector[0])
        both = np.float32(0.0)
        for k in range(1, width):
            both += total[k] * total[k]
        total[0] += np.float32(0.5) * (both - squares)
        out[row] = total


@summing_kernel
def predict_events(
    start: int, stop: int, places: IntArray, rows: FloatArray, intercept: float, out: FloatArray
) -> None:
    """Set out[n], n in start … stop, to the prediction of event n, whose rows (T, W) are places[n] (N, blocks)."""
    width, blocks = rows.shape[1], places.shape[1]
    total = np.empty(width, np.float32)
    for n in range(start, stop):
        total[:] = 0.0
        lines, pairs = np.float32(0.0), np.float32(0.0)
        for b in range(blocks):
            row = rows[places[n, b]]
            lines += row[0]
            for k in range(1, width):
                pairs += total[k] * row[k]
                total[k] += row[k]
        out[n] = np.float32(intercept) + lines + pairs


@summing_kernel
def gather_rows(
    start: int, stop: int, block: int, indptr: LongArray, events: IntArray, places: IntArray, rows: FloatArray,
    errors: FloatArray, grams: FloatArray, sums: FloatArray, error_sums: FloatArray, totals: FloatArray,
) -> None:  # fmt: skip
    """Sum over the events of each row r in start … stop of a block: z z' (R, W, W), z (R, W), e z (R, W) and e (R,).

    The row's events are events[indptr[r] … indptr[r + 1]]; `places` and `rows` as in `predict_events`, `errors` (N,).
    """
    width, blocks = rows.shape[1], places.shape[1]
    z, gram = np.empty(width, np.float32), np.empty((width, width), np.float32)
    first, second = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(start, stop):
        gram[:, :] = 0.0
        first[:] = 0.0
        second[:] = 0.0
        total = np.float32(0.0)
        for at in range(indptr[row], indptr[row + 1]):
            n = events[at]
            z[:] = 0.0
            for b in range(blocks):
                if b != block:
                    other = rows[places[n, b]]
                    for k in range(width):
                        z[k] += other[k]
            z[0] = 1.0
            error = errors[n]
            total += error
            for k in range(width):
                first[k] += z[k]
                second[k] += error * z[k]
            for k in range(width):
                line, own = gram[k], z[k]
                for other_k in range(width):
                    line[other_k] += own * z[other_k]
        grams[row], sums[row], error_sums[row], totals[row] = gram, first, second, total


@summing_kernel
def draw_features(
    start: int, stop: int, used: int, indptr: LongArray, members: IntArray, weights: FloatArray, groups: IntArray,
    means: DoubleArray, precisions: DoubleArray, noise: float, normals: FloatArray, vectors: FloatArray,
    rows: FloatArray, counts: FloatArray, grams: FloatArray, sums: FloatArray, error_sums: FloatArray,
    totals: FloatArray, moved: FloatArray, shifts: FloatArray,
) -> None:  # fmt: skip
    """Draw the vectors (D, W) of the features start … stop of a block, one after the other, each given all others.

    A feature's rows are members[indptr[j] … indptr[j + 1]], x in `weights`. Its prior is N(means, 1 / precisions) of
    its group (groups, W), `noise` the precision of the errors, `normals` (D, W) standard draws; the first `used` of W
    numbers count. `rows` (R, W) and what `gather_rows` summed follow each draw. `moved` (R, W) and `shifts` (R,) say by
    how much the error of an event of the row has changed: moved.z + shift.
    """
    width = vectors.shape[1]
    gram, right = np.empty((width, width), np.float32), np.empty(width, np.float32)
    rest, pull, scaled = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    change, image = np.zeros(width, np.float32), np.empty(width, np.float32)
    lower, drawn = np.empty((used, used)), np.empty(used)
    for feature in range(start, stop):
        vector = vectors[feature]
        gram[:, :] = 0.0
        right[:] = 0.0
        for at in range(indptr[feature], indptr[feature + 1]):
            row, x = members[at], weights[at]
            square = x * x
            for k in range(width):
                rest[k] = rows[row, k] - x * vector[k]
            rest[0] = 0.0
            for k in range(width):
                scaled[k] = square * sums[row, k]
                pull[k] = scaled[k] + square * counts[row] * rest[k]
                right[k] += x * (error_sums[row, k] + rest[k] * totals[row])
            for k in range(used):
                line, held, a, b = gram[k], grams[row, k], rest[k], scaled[k]
                for other in range(width):
                    line[other] += square * held[other] + a * pull[other] + b * rest[other]
        group = groups[feature]
        for k in range(used):
            total = 0.0
            for other in range(used):
                lower[k, other] = noise * gram[k, other]
                total += gram[k, other] * vector[other]
            lower[k, k] += precisions[group, k]
            drawn[k] = precisions[group, k] * means[group, k] + noise * (total - right[k])
        _draw(lower, drawn, normals[feature])
        for k in range(used):
            change[k] = np.float32(drawn[k]) - vector[k]
        for at in range(indptr[feature], indptr[feature + 1]):
            row, x = members[at], weights[at]
            for k in range(width):
                rest[k] = rows[row, k] - x * vector[k]
            rest[0] = 0.0
            shift, travel = np.float32(0.0), np.float32(0.0)
            for k in range(width):
                shift += change[k] * rest[k]
                travel += change[k] * sums[row, k]
            shift *= x
            image[:] = 0.0
            for k in range(used):
                held, own = grams[row, k], x * change[k]
                for other in range(width):
                    image[other] += own * held[other]
            for k in range(width):
                error_sums[row, k] += image[k] + shift * sums[row, k]
                moved[row, k] += x * change[k]
                rows[row, k] += x * change[k]
            totals[row] += x * travel + counts[row] * shift
            shifts[row] += shift
        for k in range(used):
            vector[k] += change[k]


@summing_kernel
def _draw(lower: DoubleArray, right: DoubleArray, normals: FloatArray) -> None:
    """Replace `right` (K,) by P^-1 right + L^-T z, P = L L' being the symmetric matrix `lower`, of which L is made."""
    count = len(right)
    for k in range(count):
        pivot = lower[k, k]
        for other in range(k):
            pivot -= lower[k, other] * lower[k, other]
        lower[k, k] = math.sqrt(pivot) if pivot > 0.0 else 1e150
        for below in range(k + 1, count):
            total = lower[below, k]
            for other in range(k):
                total -= lower[below, other] * lower[k, other]
            lower[below, k] = total / lower[k, k]
    for k in range(count):
        for other in range(k):
            right[k] -= lower[k, other] * right[other]
        right[k] /= lower[k, k]
    for k in range(count):
        right[k] += normals[k]
    for k in range(count - 1, -1, -1):
        for other in range(k + 1, count):
            right[k] -= lower[other, k] * right[other]
        right[k] /= lower[k, k]


@summing_kernel
def settle_errors(
    start: int, stop: int, block: int, places: IntArray, offset: int, rows: FloatArray, moved: FloatArray,
    shifts: FloatArray, errors: FloatArray,
) -> None:  # fmt: skip
    """Bring errors[n], n in start … stop, up to date after a block, whose rows begin at `offset`, has moved."""
    width, blocks = rows.shape[1], places.shape[1]
    for n in range(start, stop):
        row = places[n, block] - offset
        total = moved[row, 0] + shifts[row]
        for b in range(blocks):
            if b != block:
                other = rows[places[n, b]]
                for k in range(1, width):
                    total += moved[row, k] * other[k]
        errors[n] += total


@summing_kernel
def fold_in(
    start: int, stop: int, indptr: LongArray, items: IntArray, days: IntArray, targets: FloatArray, given: FloatArray,
    item_rows: FloatArray, day_rows: FloatArray, intercept: float, noise: float, mean: FloatArray,
    precisions: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Set out[b] (B, K), b in start … stop, to the row of a person with the events indptr[b] … indptr[b + 1].

    `given` (B, K) is the row (l, q) made of what is known of them. To it comes the feature that is theirs alone, at the
    mean of its Gaussian given their events. Rows of items are in item_rows (I, K), those of days in day_rows (D, K).
    Its prior has this mean (K,) and, for someone with n events, the inverse covariance precisions[n] (L, K, K), the
    last one also for more; `noise` is the precision of errors.
    """
    width = given.shape[1]
    z, gram, right = np.empty(width), np.empty((width, width)), np.empty(width)
    nothing = np.zeros(width, np.float32)
    for b in range(start, stop):
        own, precision = given[b], precisions[min(indptr[b + 1] - indptr[b], len(precisions) - 1)]
        for k in range(width):
            right[k] = 0.0
            for other in range(width):
                gram[k, other] = precision[k, other]
                right[k] += precision[k, other] * mean[other]
        for at in range(indptr[b], indptr[b + 1]):
            item, day = item_rows[items[at]], day_rows[days[at]]
            error = targets[at] - intercept - own[0] - item[0] - day[0]
            for k in range(1, width):
                z[k] = own[k] + item[k] + day[k]
                error -= own[k] * (item[k] + day[k]) + item[k] * day[k]
            z[0] = 1.0
            for k in range(width):
                right[k] += noise * error * z[k]
                for other in range(width):
                    gram[k, other] += noise * z[k] * z[other]
        _draw(gram, right, nothing)
        line = own[0] + right[0]
        for k in range(1, width):
            line += own[k] * right[k]
            out[b, k] = own[k] + right[k]
        out[b, 0] = line


def padded(factors: int) -> int:
    """The width W of vectors of so many factors and one number more."""
    return -(-(factors + 1) // 8) * 8
