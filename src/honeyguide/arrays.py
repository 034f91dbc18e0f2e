"""The array types that signatures name, and the one form in which kernels take what they only read.

Shapes are in comments: (B, I) is B profiles by I items.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int32]
LongArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ByteArray: TypeAlias = NDArray[np.uint8]
AnyArray: TypeAlias = NDArray[Any]

_Number = TypeVar("_Number", bound=np.generic)


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """The array in one piece, not to be written, as those of an opened file are: kernels compile for one kind only."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
