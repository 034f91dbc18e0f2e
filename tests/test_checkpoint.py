"""A checkpoint is of one run alone, is whole or as it was, and says plainly what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from honeyguide import artifact
from honeyguide.checkpoint import Checkpoint
from honeyguide.errors import ArtifactError, ParameterError
from honeyguide.models.stored import open_model

MINE = {"model": "neumf", "hyperparameters": "{}", "data": "abc", "seed": 1}


def left(path: Path) -> None:
    """A checkpoint of a run that was killed after its second epoch."""
    kept = Checkpoint(path)
    kept.begin(MINE)
    kept.watched = {"best": 1}, {"seen": np.arange(2)}
    kept.save(2, {"steps": 7}, {"table": np.arange(3.0)})


def test_what_was_saved_is_found(tmp_path: Path) -> None:
    left(tmp_path / "c")
    kept = Checkpoint(tmp_path / "c")
    assert kept.begin(MINE) == 2
    plain, arrays = kept.state()
    assert plain == {"steps": 7}
    assert arrays["table"].tolist() == [0, 1, 2]
    assert kept.watched[0] == {"best": 1}
    assert kept.watched[1]["seen"].tolist() == [0, 1]
    kept.finish()
    assert list(tmp_path.iterdir()) == []
    assert kept.begin(MINE) == 0
    assert kept.watched == ({}, {})  # the next fit has seen nothing
    assert Checkpoint(tmp_path / "c").begin(MINE) == 0


@pytest.mark.parametrize("what", MINE)
def test_another_run_is_refused_and_the_file_kept(tmp_path: Path, what: str) -> None:
    left(tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(ParameterError, match=f"left by one with another {what}; name a new file, or remove it"):
        Checkpoint(tmp_path / "c").begin(MINE | {what: "other"})
    assert (tmp_path / "c").read_bytes() == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    artifact.write(tmp_path / "model", {"a": np.arange(3)}, {"model": "ease"})
    with pytest.raises(ParameterError, match="must be a new file or one that a fit left"):
        Checkpoint(tmp_path / "model").begin(MINE)
    (tmp_path / "text").write_text("user,item\n")
    with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
        Checkpoint(tmp_path / "text").begin(MINE)
    with pytest.raises(ParameterError, match="the checkpoint must lie in a folder that exists"):
        Checkpoint(tmp_path / "none" / "c").begin(MINE)
    left(tmp_path / "c")
    with pytest.raises(ArtifactError, match="is a checkpoint of a fit that did not come to its end"):
        open_model(tmp_path / "c")


def test_damage_is_seen(tmp_path: Path) -> None:
    left(tmp_path / "c")
    content = bytearray((tmp_path / "c").read_bytes())
    content[-3] ^= 1
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(ArtifactError, match="is damaged"):
        Checkpoint(tmp_path / "c").begin(MINE)


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 10.0, 30.0, 209.9, 210.0])
    monkeypatch.setattr("honeyguide.checkpoint.time.monotonic", lambda: next(clock))
    kept = Checkpoint(tmp_path / "c")
    kept.begin(MINE)
    assert kept.due()  # at 0
    kept.save(1, {}, {})  # from 10 to 10: nothing
    assert kept.due()  # at 30
    kept._cost = 10.0
    assert not kept.due()  # at 209.9
    assert kept.due()  # at 210, 200 after the last
