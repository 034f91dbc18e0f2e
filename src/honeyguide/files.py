"""A file is written whole or not at all: to a temporary name beside it, synced, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from honeyguide.errors import ParameterError, WriteError

_unfinished: set[Path] = set()  # temporary files, for whoever must end the process at once


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write; it takes the name `path` at the end, or vanishes where anything fails.

    Raises WriteError for a full disk, a missing folder, a folder in the way and the like.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    _unfinished.add(temporary)
    try:
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        yield temporary
        handle = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, target)
    except OSError as error:
        why = error.strerror or str(error)
        raise WriteError(f"cannot write {target}: {why}; nothing was left behind") from error
    finally:
        discard(temporary)


def discard(*temporary: Path) -> None:
    """Remove temporary files; all unfinished ones by default."""
    for path in temporary or tuple(_unfinished):
        with suppress(OSError):
            path.unlink()
        _unfinished.discard(path)


def check_out(path: str | Path, suffixes: Sequence[str]) -> None:
    """ParameterError, before any work is done, for a file that could not be written or whose suffix is not offered."""
    if Path(path).suffix not in suffixes:
        raise ParameterError(f"the output must end in {' or '.join(suffixes)}, got {str(path)!r}.")
    check_place(path, "the output")


def check_place(path: str | Path, what: str) -> None:
    """ParameterError for a file that could not be written where it shall be; `what` names it."""
    target = Path(path)
    if target.is_dir():
        raise ParameterError(f"{what} must be a file, got the folder {str(path)!r}.")
    if not target.absolute().parent.is_dir():
        raise ParameterError(f"{what} must lie in a folder that exists, got {str(path)!r}; make the folder first.")
    if not os.access(target.absolute().parent, os.W_OK):
        raise ParameterError(f"{what} must lie in a folder that you may write to, got {str(path)!r}.")
