"""JAX and TensorFlow train the same network, masks of dropout included. One process for each."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("keras", "jax", "tensorflow")),
        reason="needs keras, jax and tensorflow",
    ),
]

SCRIPT = """
import sys
import numpy as np
import polars as pl
import honeyguide as hg
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.vocabulary import Vocabulary

rng = np.random.default_rng(0)
users, items = rng.integers(0, 40, 900).astype("i4"), (30 * rng.random(900) ** 2).astype("i4")
schema = Schema(Vocabulary.of(range(40)), Vocabulary.of(range(30)), False, None, Positive(), pl.DataFrame())
data, kept = Dataset(schema, users, items, np.ones(900, "f4")), {}
for block in ("sasrec", "ligr"):
    given = dict(epochs=2, batch_size=200, factors=8, blocks=1, heads=2, length=10, negatives=9, dropout=0.2)
    model = hg.models.SASRec(block=block, **given).fit(data, run=hg.Run(seed=2, backend=sys.argv[1]))
    kept[block] = model.score(data.profiles())
np.savez(sys.argv[2], **kept)
"""


def on(backend: str, folder: Path) -> dict[str, np.ndarray]:
    """What the script saves on a backend."""
    out = folder / f"{backend}.npz"
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SCRIPT, backend, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as arrays:
        return dict(arrays)


def test_one_seed_scores_alike_on_both(tmp_path: Path) -> None:
    jax, tensorflow = on("jax", tmp_path), on("tensorflow", tmp_path)
    for name, scores in jax.items():
        np.testing.assert_allclose(tensorflow[name], scores, rtol=1e-2, atol=2e-3, err_msg=name)
        assert scores.std() > 0.02
