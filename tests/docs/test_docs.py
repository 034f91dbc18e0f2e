"""The docs hold: what is generated is fresh, and every example in them runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from honeyguide import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "zh").glob("*.md"))]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.M | re.S)
OWN_PROCESS = "<!-- run by a test of its own -->"


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python blocks run in one namespace from top to bottom, `$ honeyguide …` lines through the command line."""
    text = page.read_text(encoding="utf-8")
    if OWN_PROCESS in text:
        pytest.skip("run by a test of its own")
    monkeypatch.chdir(tmp_path)
    write_ratings(tmp_path)
    space: dict[str, object] = {}
    for kind, code in BLOCK.findall(text):
        if kind == "python":
            exec(compile(code, f"{page.name}", "exec"), space)
            continue
        for line in code.splitlines():
            if line.startswith("$ honeyguide ") and "demo" not in line.split():
                assert cli.run(_words(line)) in (0, 1), f"{line}\n{capsys.readouterr().err}"
                assert "error:" not in capsys.readouterr().err


def write_ratings(folder: Path) -> None:
    """The files that the docs speak of: ratings.csv with a header and movies.csv, of the set in the package."""
    import polars as pl

    import honeyguide as hg

    data = hg.load("movielens-small")
    table: pl.DataFrame = data.table().head(20_000)
    table.rename({"user": "userId", "item": "movieId", "time": "timestamp"}).write_csv(folder / "ratings.csv")
    films = data.schema.items.series().to_frame("movieId").hstack(data.schema.item_table)
    films.write_csv(folder / "movies.csv")


def _words(line: str) -> list[str]:
    import shlex

    return shlex.split(line.removeprefix("$ honeyguide "), comments=True)


def test_every_link_leads_somewhere() -> None:
    for page in [*PAGES, *(ROOT / "docs" / "reference").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} points to {target}, which is not there"
