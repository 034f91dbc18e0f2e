"""A small shop: its files and models trained on them; and a way to call the command line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from shell import Call, Done

from honeyguide.cli import run


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process."""

    def go(*arguments: object) -> Done:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return go


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ratings of 40 people and 30 films, titles, and models; in odd.csv ids hold commas and emoji."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(3)
    rows, odd = ["userId,movieId,rating,timestamp"], ["user,item,rating"]
    for user in range(1, 41):
        for item in np.flatnonzero(rng.random(30) < 0.4):
            rating = float(np.clip(round(2 * (4 if (user + item) % 2 else 2) + rng.normal()) / 2, 0.5, 5))
            rows.append(f"{user},{item + 100},{rating},{1_000_000_000 + rng.integers(10**7)}")
            odd.append(f'"Zoë, {user} 🐦","a=b {item}, ""x""",{rating}')
    titles = [f'{item + 100},"Film, The {item} 🎬",drama' for item in range(30)]
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    (folder / "odd.csv").write_text("\n".join(odd) + "\n")
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genre", *titles]) + "\n")
    train = ["train", folder / "ratings.csv", "--items", folder / "movies.csv"]
    for name, more in {
        "ease": ["--model", "ease", "--set", "reg=20"],
        "mf": ["--model", "mf", "--set", "factors=4", "--set", "epochs=3"],
        "bare": ["--model", "ease", "--no-histories"],
    }.items():
        assert run([str(word) for word in [*train, *more, "--out", folder / f"{name}.safetensors"]]) == 0
    lists = folder / "lists.csv"  # made once, so that the kernels are compiled and kept
    assert run(["recommend", str(folder / "mf.safetensors"), "--all", "--out", str(lists)]) == 0
    lists.unlink()
    os.mkdir(folder / "folder.csv")
    return folder
