"""LAPACK and BLAS without Python's lock; SciPy's own wrappers hold it, and neither Ctrl-C nor a bar works meanwhile.

In place, float64, through the addresses that SciPy gives to Cython. Cost: n^3 / 3 multiplications for a Cholesky
factor, 2 n^3 / 3 for the inverse from it, n^2 m for a triangular solution of m columns.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import scipy.linalg  # noqa: F401 - loads the library, so that a limit on its threads reaches it
from numba.extending import get_cython_function_address

from honeyguide.arrays import DoubleArray


def cholesky(matrix: DoubleArray) -> None:
    """The lower factor of a positive definite matrix (n, n) in Fortran's order, in its lower triangle."""
    assert matrix.flags.f_contiguous
    info, size = ctypes.c_int(), ctypes.c_int(len(matrix))
    _call("cython_lapack", "dpotrf", b"L", size, matrix, size, info)
    assert info.value == 0, "the matrix is positive definite"


def inverse(factor: DoubleArray) -> None:
    """The lower triangle of (L L')^-1 in place of a lower factor L (n, n) in Fortran's order."""
    assert factor.flags.f_contiguous
    info, size = ctypes.c_int(), ctypes.c_int(len(factor))
    _call("cython_lapack", "dpotri", b"L", size, factor, size, info)
    assert info.value == 0


def solve_lower(factor: DoubleArray, right: DoubleArray) -> None:
    """L^-1 R in place of R (n, m) in C's order, for a lower factor L (n, n) in Fortran's order."""
    assert factor.flags.f_contiguous
    assert right.flags.c_contiguous
    rows, columns, one = ctypes.c_int(len(factor)), ctypes.c_int(right.shape[1]), ctypes.c_double(1.0)
    if right.size:  # seen in Fortran's order the right side is R', so that X L' = R' is to be solved
        _call("cython_blas", "dtrsm", b"R", b"L", b"T", b"N", columns, rows, one, factor, rows, right, columns)


def _call(module: str, name: str, *arguments: Any) -> None:
    pointers: list[Any] = []
    for argument in arguments:
        if isinstance(argument, bytes):
            pointers.append(ctypes.c_char_p(argument))
        elif isinstance(argument, ctypes.c_int | ctypes.c_double):
            pointers.append(ctypes.byref(argument))
        else:
            pointers.append(ctypes.c_void_p(argument.ctypes.data))
    _function(module, name)(*pointers)


@cache
def _function(module: str, name: str) -> Any:
    return ctypes.CFUNCTYPE(None)(get_cython_function_address(f"scipy.linalg.{module}", name))
