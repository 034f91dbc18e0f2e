"""Known data sets by name: one module each, whose name with hyphens is the set's.

The small MovieLens lies in the package. The others are found in a folder given by the caller or by HONEYGUIDE_DATA.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError


def names() -> list[str]:
    """The names that `load` knows."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))


def load(name: str, *, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """A known data set; case, hyphens and underscores in its name do not matter.

    `folder` holds the set's folder; by default it is the one that the variable HONEYGUIDE_DATA names. DataError where
    the files are not there, with the page that has them, or are not the ones the set is known by.
    """
    known = {_plain(each): each for each in names()}
    if _plain(name) not in known:
        raise DataError(f"there is no data set {name!r}; known are {', '.join(names())}; other files are for read()")
    module = import_module(f"{__name__}.{known[_plain(name)].replace('-', '_')}")
    dataset: Dataset = module.load(folder=folder, positive=positive)
    return dataset


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
