"""Options written once and taken by several commands."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from honeyguide.cli import options
from honeyguide.cli.options import How, Parts, Reading, Source, settings, takes
from honeyguide.errors import ParameterError


def test_a_command_takes_the_options_of_its_groups_as_objects() -> None:
    @takes(Parts, How)
    def command(parts: Parts, word: str, how: How, last: int = 3) -> tuple[Parts, str, How, int]:
        """What it does."""
        return parts, word, how, last

    names = list(inspect.signature(command).parameters)
    assert names == [*(f.name for f in fields(Parts)), "word", *(f.name for f in fields(How)), "last"]
    given = {**{f.name: f.default for f in fields(Parts)}, **{f.name: f.default for f in fields(How)}}
    assert command(**{**given, "test": 0.3, "word": "w", "seed": 4, "last": 5}) == (
        Parts(test=0.3), "w", How(seed=4), 5
    )  # fmt: skip
    assert command.__doc__ == "What it does."


def test_every_shared_option_has_help() -> None:
    for group in (Source, Reading, How, Parts):
        for _, hint, _ in options._options(group):
            assert hint.__metadata__[0].help


def test_settings() -> None:
    assert settings(None) == {}
    assert settings(["reg=2", "learning-rate = 0.1", "ease.reg=a=b", "reg=3"]) == {
        "reg": "3", "learning_rate": "0.1", "ease.reg": "a=b"
    }  # fmt: skip
    with pytest.raises(ParameterError, match="--set must be NAME=VALUE, such as reg=200, got 'reg'."):
        settings(["reg"])


def test_memory_is_in_gigabytes() -> None:
    assert How(memory=1.5).run().memory == 1_500_000_000
    assert How().run().memory is None
    for memory in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="--memory must be a number of gigabytes > 0, got"):
            How(memory=memory).run()


def test_a_known_set_is_no_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Source("MovieLens_Small").is_set()
    assert not Source("ratings.csv").is_set()
    monkeypatch.chdir(str(tmp_path))
    with open("movielens-small", "w") as file:
        file.write("user,item\n1,2\n")
    assert not Source("movielens-small").is_set()  # a file of that name goes first
