"""The file: read back by another library, and every kind of damage refused."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from honeyguide import artifact
from honeyguide.errors import ArtifactError, WriteError

ARRAYS = {
    "a": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.array([1, 2, 3], dtype=np.int64),
    "c": np.zeros((0, 5), dtype=np.int32),
    "d": np.array([True, False]),
    "é": np.frombuffer("ключ".encode(), dtype=np.uint8),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.safetensors"
    artifact.write(file, ARRAYS, {"name": "été", "n": 3})
    return file


def test_another_library_reads_the_same_arrays(path: Path) -> None:
    theirs = safetensors.numpy.load_file(path)
    assert theirs.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(theirs[name], array)


def test_reading_maps_and_is_read_only(path: Path) -> None:
    file = artifact.read(path, verify=True)
    assert dict(file.header) == {"name": "été", "n": 3}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(file.arrays[name], array)
        assert file.arrays[name].dtype == array.dtype
        assert not file.arrays[name].flags.writeable


def test_every_truncation_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for size in [*range(0, 16), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ArtifactError):
            artifact.read(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ArtifactError, match="longer than its header says"):
        artifact.read(path)


def test_every_altered_byte_of_the_header_is_refused(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    end = 8 + int.from_bytes(whole[:8], "little")
    for at in range(8, end):
        if whole[at] == ord(" ") and not bytes(whole[at:end]).strip():
            break  # the padding means nothing
        broken = whole.copy()
        broken[at] ^= 1
        path.write_bytes(broken)
        with pytest.raises(ArtifactError):
            artifact.read(path)


def test_altered_contents_are_found_on_demand(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    artifact.read(path)
    with pytest.raises(ArtifactError, match="is damaged: the contents of"):
        artifact.read(path, verify=True)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", b"\x80\x04\x95 a pickle, of more than eight bytes", b"{}" * 50]
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
        artifact.read(file)
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "other")
    with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
        artifact.read(tmp_path / "other")
    with pytest.raises(ArtifactError, match="No such file"):
        artifact.read(tmp_path / "missing")


def test_later_format_asks_for_an_upgrade(path: Path) -> None:
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"]["format_version"] = "99"
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    with pytest.raises(ArtifactError, match=r"format version 99.*pip install -U"):
        artifact.read(path)


def test_failed_write_leaves_the_old_file_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("honeyguide.files.os.fsync", full)
    with pytest.raises(WriteError, match="No space left on device; nothing was left behind"):
        artifact.write(path, ARRAYS, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("honeyguide.files.os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        artifact.write(tmp_path / "m", ARRAYS, {})
    assert not list(tmp_path.iterdir())
    with pytest.raises(WriteError, match="No such file or directory"):
        artifact.write(tmp_path / "no" / "m", ARRAYS, {})
