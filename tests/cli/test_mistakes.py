# ruff: noqa: E501
"""Mistakes of the caller's: status 2; one line with what, the rule, the value, the way out; nothing left behind."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import MAIN, Call, listing, spawn

EASE = ["--model", "ease", "--out", "out.safetensors"]
BOTH = ["--models", "popular,ease"]

FILES = {
    "empty.csv": b"",
    "header.csv": b"user,item,rating\n",
    "binary.csv": bytes(range(256)) * 20,
    "wide.csv": b"user,item,rating\n1,2,3\n1,2,3,4,5\n",
    "long.csv": b"user,item,rating\n1,2,3\n" + b"x" * 10_000_000 + b",2,3\n",
    "nan.csv": b"user,item,rating\n1,2,3\n1,2,nan\n",
    "inf.csv": b"user,item,rating\n1,2,3\n1,3,-inf\n",
    "pairs.csv": b"user,item\nann,100\n",
    "foreign.safetensors": b"this is some text and no model",
}

# arguments, and what the line must say
MISTAKES = {
    "no file": (["train", "ratigns.csv", *EASE], "there is no file ratigns.csv; did you mean 'ratings.csv'?"),
    "an empty file": (["train", "empty.csv", *EASE], "empty.csv is empty; it must hold a row a line"),
    "a header alone": (["train", "header.csv", *EASE], "header.csv has no rows; it must hold an interaction a line"),
    "a binary file": (["train", "binary.csv", *EASE], "binary.csv is a binary file, not text; honeyguide reads CSV"),
    "a wide row": (["train", "wide.csv", *EASE], "line 3 of wide.csv has 5 fields, and the file has 3 columns"),
    "an id of 10 MB": (["train", "long.csv", *EASE], "id of 10,000,000 bytes (at most 10,000 are allowed)"),
    "NaN": (["train", "nan.csv", *EASE], "has 1 row with 'nan', which is not a number (first: row 2)"),
    "infinity": (["train", "inf.csv", *EASE], "has 1 row with the infinite value '-inf' (first: row 2)"),
    "a folder": (["train", "folder.csv", *EASE], "folder.csv is a folder; name the file in it"),
    "a wrong column": (["train", "ratings.csv", *EASE, "--rating", "stars"], "has no column 'stars'"),
    "a wrong separator": (["train", "ratings.csv", *EASE, "--separator", ";"], "no column that looks like the user"),
    "a wrong encoding": (["train", "ratings.csv", *EASE, "--encoding", "klingon"], "got 'klingon'"),
    "no table of items": (["train", "ratings.csv", *EASE, "--items", "none.csv"], "there is no file none.csv"),
    "a wrong way with invalid rows": (["train", "ratings.csv", *EASE, "--invalid", "x"], "got 'x'"),
    "a wrong rule": (["train", "ratings.csv", *EASE, "--positive", "4+"], "positive must be 'every event' or a rule"),
    "a rule that nothing meets": (["train", "ratings.csv", *EASE, "--positive", ">=9"], "positive is '>=9', values go"),
    "check of no file": (["check", "none.csv", "--json"], "there is no file none.csv"),
    "a page of another suffix": (["check", "ratings.csv", "--html", "x.pdf"], "the output must end in .html, got"),
    "an unknown model": (["train", "ratings.csv", "--model", "eaze", "--out", "x.safetensors"], "did you mean ease?"),
    "no model like it": (["train", "ratings.csv", "--model", "q", "--out", "x.safetensors"], "there are: "),
    "about an unknown model": (["models", "neumff"], "there is no model 'neumff'; did you mean neumf or nmf?"),
    "an unknown hyperparameter": (["train", "ratings.csv", *EASE, "--set", "regg=1"], "no hyperparameter 'regg'; it has"),
    "a value out of range": (["train", "ratings.csv", *EASE, "--set", "reg=-3"], "Ease.reg must be a number >= 0.001"),
    "a value that is none": (["train", "ratings.csv", *EASE, "--set", "reg=abc"], ">= 0.001, got 'abc'"),
    "a setting without =": (["train", "ratings.csv", *EASE, "--set", "reg"], "--set must be NAME=VALUE, such as reg=200"),
    "a wrong suffix": (["train", "ratings.csv", "--model", "ease", "--out", "x.pkl"], "end in .safetensors, got 'x.pkl'"),
    "a missing folder": (["train", "ratings.csv", "--model", "ease", "--out", "no/x.safetensors"], "make the folder"),
    "an output that is a folder": (
        ["recommend", "ease.safetensors", "--user", "1", "--out", "folder.csv"], "got the folder 'folder.csv'"),
    "lists of another suffix": (["recommend", "ease.safetensors", "--user", "1", "--out", "x.txt"], "got 'x.txt'"),
    "lists into a missing folder": (["recommend", "ease.safetensors", "--all", "--out", "no/x.csv"], "make the folder"),
    "too little memory": (["train", "ratings.csv", *EASE, "--memory", "0.000001"], "these would fit: "),
    "memory that is no number": (["train", "ratings.csv", *EASE, "--memory", "nan"], "--memory must be a number of"),
    "negative memory": (["train", "ratings.csv", *EASE, "--memory=-1"], "--memory must be a number of gigabytes > 0"),
    "an update of a model that cannot": (
        ["update", "mf.safetensors", "ratings.csv", "--out", "x.safetensors"], "cannot be updated, fit it on all of the"),
    "an update without histories": (
        ["update", "bare.safetensors", "ratings.csv", "--out", "x.safetensors"], "this file was saved without"),
    "an update by events of another kind": (
        ["update", "ease.safetensors", "pairs.csv", "--out", "x.safetensors"], "the new events have none; name them with"),
    "an update by no file": (["update", "ease.safetensors", "none.csv", "--out", "x.safetensors"], "there is no file none"),
    "an update into another format": (["update", "ease.safetensors", "ratings.csv", "--out", "x.csv"], "got 'x.csv'"),
    "an unknown backend": (["train", "ratings.csv", *EASE, "--backend", "torch"], "jax, tensorflow, got 'torch'"),
    "no threads": (["train", "ratings.csv", *EASE, "--threads", "0"], "threads must be an integer >= 1, got 0"),
    "a negative seed": (["train", "ratings.csv", *EASE, "--seed=-1"], "seed must be an integer >= 0, got -1"),
    "a list of none": (["recommend", "ease.safetensors", "--user", "1", "-k", "0"], "k must be an integer >= 1, got 0"),
    "lists of none": (["recommend", "ease.safetensors", "--all", "--out", "x.csv", "-k", "0"], "k must be an integer >= 1"),
    "none similar": (["similar", "ease.safetensors", "--item", "100", "-k", "0"], "k must be an integer >= 1, got 0"),
    "nobody asked about": (["recommend", "ease.safetensors"], "give one of --user, --history or --about (for someone new), or --all"),
    "no value of what is known": (["recommend", "ease.safetensors", "--about", "age"], "must be COLUMN=VALUE, got 'age'"),
    "no value of a circumstance": (
        ["recommend", "ease.safetensors", "--user", "1", "--context", "tv"], "a circumstance must be COLUMN=VALUE, got 'tv'"),
    "no circumstances known": (
        ["recommend", "ease.safetensors", "--user", "1", "--context", "device=tv"], "context= needs a model trained on data"),
    "no moment": (["recommend", "ease.safetensors", "--user", "1", "--at", "noon"], "like 2026-11-24 20:00, got 'noon'"),
    "a moment for everybody": (
        ["recommend", "ease.safetensors", "--all", "--out", "x.csv", "--at", "2026-11-24"], "of one moment of asking"),
    "a context that is no column": (["train", "ratings.csv", *EASE, "--context", "device"], "'device' is none of "),
    "a kind that there is not": (
        ["train", "ratings.csv", *EASE, "--items", "movies.csv", "--kind", "title=words"], "must be one of category, values"),
    "a kind without a column": (["train", "ratings.csv", *EASE, "--kind", "text"], "--kind must be COLUMN=KIND, got 'text'"),
    "a kind of a known set": (
        ["train", "movielens-small", *EASE, "--kind", "title=text"], "--context and --kind are of files; a known set"),
    "nothing is known of people": (
        ["recommend", "ease.safetensors", "--about", "age=3"],
        "attributes must be columns of the table of people, got 'age'; there are: none: the model was trained on data",
    ),
    "two asked about": (["recommend", "ease.safetensors", "--user", "1", "--all"], "give one of --user"),
    "all without a file": (["recommend", "ease.safetensors", "--all"], "--all needs --out with a .parquet, .csv or"),
    "an unknown user": (["recommend", "ease.safetensors", "--user", "999"], "user 999 is not in the training data"),
    "a user that is a word": (["recommend", "ease.safetensors", "--user", "ann"], "ids here are integers, got 'ann'"),
    "an unknown title": (
        ["recommend", "ease.safetensors", "--history", "Film, The 33 🎬"], "did you mean 'Film, The 3 🎬' or 'Film"),
    "an unknown item": (["similar", "ease.safetensors", "--item", "7"], "there is no item with the id or title '7'"),
    "a value that is a word": (["recommend", "ease.safetensors", "--history", "100=much"], "ITEM=VALUE with a number"),
    "a value that is NaN": (["recommend", "ease.safetensors", "--history", "100=nan"], "must be finite, got nan"),
    "histories left out": (["recommend", "bare.safetensors", "--user", "1"], "saved without histories; give the history"),
    "all of nobody": (["recommend", "bare.safetensors", "--all", "--out", "x.csv"], "saved without histories"),
    "a truncated model": (["recommend", "half.safetensors", "--user", "1"], "is truncated: "),
    "a foreign model": (["recommend", "foreign.safetensors", "--user", "1"], "is not a honeyguide model file"),
    "a damaged model": (["verify", "damaged.safetensors"], "damaged.safetensors is damaged: the contents of"),
    "a model that is a folder": (["verify", "folder.csv"], "cannot open folder.csv: Is a directory"),
    "no model": (["verify", "none.safetensors"], "cannot open none.safetensors: No such file or directory"),
    "ratings of a model of lists": (["predict", "ease.safetensors", "--user", "1", "--item", "100"], "models that rate:"),
    "nothing to predict": (["predict", "mf.safetensors", "--user", "1"], "give --pairs FILE, or --item with one of"),
    "two things to predict": (["predict", "mf.safetensors", "--user", "1", "--pairs", "pairs.csv"], "give --pairs FILE"),
    "pairs of another kind": (["predict", "mf.safetensors", "--pairs", "pairs.csv"], "its people are integers"),
    "intervals of a model that has none": (
        ["predict", "mf.safetensors", "--user", "1", "--item", "100", "--level", "0.9"], "does not know how sure it is"),
    "an interval of everything": (
        ["predict", "mf.safetensors", "--user", "1", "--item", "100", "--level", "1"], "above 0 and below 1, got 1.0"),
    "no file of pairs": (["predict", "mf.safetensors", "--pairs", "none.csv"], "there is no file none.csv"),
    "a share of 1.5": (["compare", "ratings.csv", *BOTH, "--test", "1.5"], "above 0 and below 1, got 1.5"),
    "shares that leave nothing": (["compare", "ratings.csv", *BOTH, "--test", "0.6", "--validation", "0.5"], "0.6 + 0.5"),
    "an unknown split": (["compare", "ratings.csv", *BOTH, "--split", "odd"], "split kind must be one of random,"),
    "no models": (["compare", "ratings.csv", "--models", ","], "name at least one model, such as popular,ease"),
    "a setting for nobody": (["compare", "ratings.csv", *BOTH, "--set", "mf.reg=1"], "none of popular, ease has the"),
    "an unknown metric": (["compare", "ratings.csv", *BOTH, "--save-best", "ndgc"], "got 'ndgc'"),
    "a metric of ratings for lists": (["compare", "ratings.csv", *BOTH, "--save-best", "rmse"], "rmse is of ratings"),
    "nothing to tune": (["tune", "ratings.csv", "--model", "popular"], "popular declares no range to search"),
    "no trials": (["tune", "ratings.csv", "--model", "ease", "--trials", "0"], "trials must be an integer >= 1, got 0"),
    "a study in a missing folder": (["tune", "ratings.csv", "--model", "ease", "--study", "no/s"], "a folder that exists"),
    "a study that is another file": (
        ["tune", "ratings.csv", "--model", "ease", "--study", "movies.csv"], "one that an earlier search wrote"),
    "a study that is a folder": (["tune", "ratings.csv", "--model", "ease", "--study", "folder.csv"], "a new file or one"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shop: Path) -> Iterator[Path]:
    """The shop with the files at fault; the working folder of every test here."""
    for name, content in FILES.items():
        (shop / name).write_bytes(content)
    model = (shop / "ease.safetensors").read_bytes()
    (shop / "half.safetensors").write_bytes(model[: len(model) // 2])
    (shop / "damaged.safetensors").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    before = Path.cwd()
    os.chdir(shop)
    yield shop
    os.chdir(before)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_on_one_line_and_leaves_nothing(call: Call, folder: Path, mistake: str) -> None:
    arguments, said = MISTAKES[mistake]
    before = listing(folder)
    assert said in call(*arguments).error
    assert listing(folder) == before


@pytest.mark.parametrize("mistake", ["no file", "a binary file", "an id of 10 MB", "a truncated model", "no models"])
def test_so_it_is_in_a_process_of_its_own(folder: Path, mistake: str) -> None:
    arguments, said = MISTAKES[mistake]
    before = listing(folder)
    assert said in spawn(arguments, cwd=folder).error
    assert listing(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(call: Call, folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    out = tmp_path / "x.safetensors"
    assert "that you may write to" in call("train", "ratings.csv", "--model", "ease", "--out", out).error


WRITES = [
    ["train", "ratings.csv", "--model", "ease", "--out", "big.safetensors"],
    ["recommend", "ease.safetensors", "--all", "-k", "30", "--out", "big.csv"],
    ["recommend", "ease.safetensors", "--all", "-k", "30", "--out", "big.parquet"],
    ["compare", "ratings.csv", *BOTH, "--save-best", "ndcg@10", "--out", "big.safetensors"],
]


@pytest.mark.parametrize("arguments", WRITES, ids=lambda words: f"{words[0]} {words[-1]}")
def test_a_disk_that_fills_while_saving(folder: Path, arguments: list[str]) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))  # Python ignores SIGXFSZ: writing fails with EFBIG

    before = listing(folder)
    done = spawn(arguments, cwd=folder, preexec_fn=small)
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert done.status == 2
    assert lines == [done.err.splitlines()[-1]]
    assert lines[0].startswith(f"error: cannot write {arguments[-1]}: ")
    assert lines[0].endswith("nothing was left behind")
    assert "oo large" in lines[0]
    assert listing(folder) == before


def test_a_full_file_system(folder: Path, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small file system")
    try:
        for arguments in WRITES[:2]:
            done = spawn([*arguments[:-1], tmp_path / arguments[-1]], cwd=folder)
            assert done.status == 2
            assert "No space left on device" in done.err.splitlines()[-1]
            assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_was_there_stays_where_writing_fails(call: Call, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "lists.csv"
    assert call("recommend", "ease.safetensors", "--user", "1", "--out", out).status == 0
    before = out.read_bytes()
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)); " + MAIN
    assert spawn(["recommend", "ease.safetensors", "--all", "--out", out], code, cwd=folder).status == 2
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]
