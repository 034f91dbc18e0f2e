"""The one decorator of kernels: compiled without the GIL, cached on disk where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function for arrays; uncached where neither its own folder nor the user's cache can be written."""
    try:
        return cast("Function", njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # Numba: "no locator available"
        return cast("Function", njit(nogil=True, cache=False, error_model="numpy")(function))
