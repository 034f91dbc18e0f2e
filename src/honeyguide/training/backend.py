"""Which backend Keras runs on: chosen once a process, before Keras is first imported.

`Run.backend` decides, then what the caller chose by KERAS_BACKEND, then JAX.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any

from honeyguide.errors import MissingPackageError, UnsupportedError
from honeyguide.run import Backend, Run

_EXTRAS: dict[Backend, str] = {"jax": "deep", "tensorflow": "tensorflow"}


def choose(run: Run) -> Backend:
    """The backend of this run, with KERAS_BACKEND set to it; Keras itself is not imported here.

    Raises UnsupportedError where Keras is already at work on another one or the caller chose one we have no step for,
    MissingPackageError where Keras or the backend is not installed.
    """
    working = sys.modules["keras"].backend.backend() if "keras" in sys.modules else None
    name = working or run.backend or os.environ.get("KERAS_BACKEND") or "jax"
    if run.backend is not None and name != run.backend:
        raise UnsupportedError(
            f"Keras is already at work on {name} in this process and cannot change to {run.backend}; "
            f"start a new process with Run(backend={run.backend!r})"
        )
    if name not in _EXTRAS:
        raise UnsupportedError(f"deep models train on jax or tensorflow, Keras is set to {name}; set KERAS_BACKEND=jax")
    backend: Backend = "jax" if name == "jax" else "tensorflow"
    for package in ("keras", backend):
        if find_spec(package) is None:
            raise MissingPackageError(package, _EXTRAS[backend], "a deep model")
    os.environ["KERAS_BACKEND"] = backend
    return backend


def keras(run: Run) -> Any:
    """The Keras module on the backend of this run."""
    choose(run)
    import keras as module

    return module
