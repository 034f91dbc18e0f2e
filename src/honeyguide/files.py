"""A file is written whole or not at all: to a temporary name beside it, synced, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from honeyguide.errors import WriteError


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write; it takes the name `path` at the end, or vanishes where anything fails.

    Raises WriteError for a full disk, a missing folder, a folder in the way and the like.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
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
        with suppress(OSError):
            temporary.unlink()
