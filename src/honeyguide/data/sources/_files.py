"""Where the files of a known data set are, and whether they are the right ones (SHA-256)."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from honeyguide.errors import DataError, LicenceNotice

VARIABLE = "HONEYGUIDE_DATA"
_told: set[str] = set()


@dataclass(frozen=True)
class Files:
    """The files of a set: the folder they lie in, the SHA-256 of each, and the publisher's page.

    `form` says how to make the files of what the publisher gives, where they are not the same.
    """

    name: str
    folder: str
    page: str
    digests: Mapping[str, str]
    form: str = ""

    def find(self, *names: str, folder: str | Path | None = None) -> list[Path]:
        """The paths of some files, each checked. `folder` holds them or the set's folder; else HONEYGUIDE_DATA does."""
        root = folder if folder is not None else os.environ.get(VARIABLE)
        places = [] if not root else [Path(root) / self.folder, Path(root)]
        place = next((p for p in places if all((p / name).is_file() for name in names)), None)
        if place is None:
            where = f"not in {root}" if root else f"and neither folder= nor {VARIABLE} names a folder"
            raise DataError(
                f"{self.name} needs {', '.join(names)}, {where}; get the set from {self.page}{self.form}, put it in a "
                f"folder {self.folder}, and set {VARIABLE} (or folder=) to the folder around it"
            )
        paths = [place / name for name in names]
        for path in paths:
            self._verify(path)
        return paths

    def _verify(self, path: Path) -> None:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        wanted = self.digests[path.name]
        if found != wanted:
            raise DataError(
                f"{path} is not the file that {self.name} is known by: its SHA-256 must be {wanted}, got {found}; "
                f"fetch it again from {self.page}{self.form}, or read this one with read()"
            )


def notice(name: str, text: str) -> None:
    """Say once a process what the licence of a set asks."""
    if name not in _told:
        _told.add(name)
        warnings.warn(text, LicenceNotice, stacklevel=4)
