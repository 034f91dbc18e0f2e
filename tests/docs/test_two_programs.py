"""The page of the two small programs, run on TensorFlow in a process of its own, over a headerless ratings.csv."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import honeyguide as hg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "two-programs.md"


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_programs_run_and_beat_the_mean(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "program.py").write_text("\n".join(blocks), encoding="utf-8")
    hg.load("movielens-small").table().write_csv(tmp_path / "ratings.csv", include_header=False)
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(global mean|mf|network) +RMSE ([\d.]+)$", done.stdout, re.M))
    assert float(found["network"]) < float(found["mf"]) + 0.2
    assert float(found["network"]) < 0.95 * float(found["global mean"])
    assert re.search(r"validation chooses reg 0\.[12]$", done.stdout, re.M), done.stdout
