"""One backend a process, chosen before Keras is imported; each case in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs keras")


def python(code: str, **environment: str) -> str:
    """What a new process prints."""
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CHOOSE = """
import os, sys
from honeyguide.errors import HoneyguideError
from honeyguide.run import Run
from honeyguide.training import backend
{before}
try:
    print(backend.choose(Run(backend={wanted!r})), os.environ["KERAS_BACKEND"], "keras" in sys.modules)
except HoneyguideError as error:
    print(type(error).__name__, error)
"""


def choose(wanted: str | None, before: str = "", **environment: str) -> str:
    return python(CHOOSE.format(wanted=wanted, before=before), **environment)


@needs_keras
def test_jax_unless_the_caller_or_the_run_says_otherwise() -> None:
    assert choose(None) == "jax jax False"
    assert choose("tensorflow", "backend.find_spec = lambda name: True") == "tensorflow tensorflow False"
    assert (
        choose(None, "backend.find_spec = lambda name: True", KERAS_BACKEND="tensorflow")
        == "tensorflow tensorflow False"
    )


@needs_keras
def test_keras_at_work_on_another_backend() -> None:
    assert choose("tensorflow", "import keras", KERAS_BACKEND="jax") == (
        "UnsupportedError Keras is already at work on jax in this process and cannot change to tensorflow; "
        "start a new process with Run(backend='tensorflow')"
    )
    assert choose(None, "import keras", KERAS_BACKEND="jax") == "jax jax True"


def test_a_backend_without_a_step_of_ours() -> None:
    assert choose(None, KERAS_BACKEND="torch") == (
        "UnsupportedError deep models train on jax or tensorflow, Keras is set to torch; set KERAS_BACKEND=jax"
    )


@pytest.mark.parametrize(
    ("wanted", "missing", "extra"),
    [("jax", "keras", "deep"), ("jax", "jax", "deep"), ("tensorflow", "tensorflow", "tensorflow")],
)
def test_a_missing_package_is_named_with_its_install(wanted: str, missing: str, extra: str) -> None:
    absent = f"backend.find_spec = lambda name: None if name == {missing!r} else True"
    assert choose(wanted, absent) == (
        f"MissingPackageError a deep model needs {missing}, which is not installed: pip install 'honeyguide[{extra}]'"
    )
