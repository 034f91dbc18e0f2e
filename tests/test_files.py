"""Whole or not at all, whatever fails; what is told before any work is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from honeyguide import files
from honeyguide.errors import ParameterError, WriteError


def test_a_file_takes_its_name_only_when_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with files.whole(target) as temporary:
        assert temporary.parent == target.parent  # so that the renaming is one step
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), ValueError("other"), KeyboardInterrupt(), SystemExit()],
    ids=repr,
)
def test_whatever_fails_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    expected = WriteError if isinstance(error, OSError) else type(error)

    def write() -> None:
        with files.whole(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(expected) as caught:
        write()
    if expected is WriteError:
        assert str(caught.value) == f"cannot write {target}: No space left on device; nothing was left behind"
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    assert not files._unfinished


def test_a_file_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file"), files.whole(tmp_path / "a"):
        pass


def test_an_error_without_an_explanation_of_the_systems(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="a: disk on fire; nothing"), files.whole(tmp_path / "a"):
        raise OSError("disk on fire")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="it is a folder; nothing was left behind"), files.whole(tmp_path):
        pytest.fail("the work was done before")


def test_two_processes_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    with files.whole(tmp_path / "a") as temporary:
        assert str(os.getpid()) in temporary.name
        temporary.write_text("x")


def test_unfinished_files_can_be_removed_from_elsewhere(tmp_path: Path) -> None:
    def write() -> None:
        with files.whole(tmp_path / "a") as one, files.whole(tmp_path / "b") as other:
            one.write_text("x")
            other.write_text("x")
            assert files._unfinished == {one, other}
            files.discard()
            assert list(tmp_path.iterdir()) == []

    with pytest.raises(WriteError):
        write()
    assert not files._unfinished


def test_outputs_are_checked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.check_out(tmp_path / "a.csv", (".csv", ".parquet"))
    monkeypatch.chdir(tmp_path)
    files.check_out("a.csv", (".csv",))
    (tmp_path / "dir.csv").mkdir()
    (tmp_path / "file").write_text("")
    for path, said in (
        ("a.txt", "the output must end in .csv or .parquet, got 'a.txt'."),
        ("dir.csv", "the output must be a file, got the folder 'dir.csv'."),
        ("no/a.csv", "the output must lie in a folder that exists, got 'no/a.csv'; make the folder first."),
        ("file/a.csv", "the output must lie in a folder that exists, got 'file/a.csv'; make the folder first."),
    ):
        with pytest.raises(ParameterError) as caught:
            files.check_out(path, (".csv", ".parquet"))
        assert str(caught.value) == said
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ParameterError, match="a folder that you may write to, got 'a.csv'"):
        files.check_out("a.csv", (".csv",))
