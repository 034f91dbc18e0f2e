"""The decorators of kernels: compiled without the GIL, cached on disk where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function for arrays; uncached where neither its own folder nor the user's cache can be written."""
    return _compile(function, set())


def summing_kernel(function: Function) -> Function:
    """The same, and sums may be taken in another order, so that their loops run on vector units.

    The order is fixed when compiled: the same call gives the same bits. NaN and infinities keep their meaning.
    """
    return _compile(function, {"reassoc", "contract", "nsz"})


def _compile(function: Function, fastmath: set[str]) -> Function:
    try:
        return cast("Function", njit(nogil=True, cache=True, error_model="numpy", fastmath=fastmath)(function))
    except RuntimeError:  # Numba: "no locator available"
        return cast("Function", njit(nogil=True, cache=False, error_model="numpy", fastmath=fastmath)(function))
