"""Checkpoint: the state of training in one file, so that a fit that was killed goes on from its last epoch.

    run = hg.Run(checkpoint="beauty.checkpoint")
    model.fit(data, run=run)        # killed; the same line goes on, and ends as if nothing had happened, bit for bit

A file holds tables and weights with their moments, random states, and what a watcher has seen: three times the size of
the model and more. It is written whole or not at all, no more often than a twentieth of the time allows, and removed
when the fit has come to its end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from honeyguide import artifact
from honeyguide.arrays import AnyArray
from honeyguide.errors import ArtifactError, ParameterError
from honeyguide.files import check_place

_SHARE = 20  # times the seconds of a save that must pass before the next


class Checkpoint:
    """One file for one fit. `used` says whether the model that is fitted keeps its state here."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.used = False
        self.watched: tuple[Mapping[str, Any], Mapping[str, AnyArray]] = {}, {}  # what a watcher wants to be kept
        self._identity: Mapping[str, Any] = {}
        self._found: artifact.Artifact | None = None
        self._saved, self._cost = -float("inf"), 0.0

    def begin(self, identity: Mapping[str, Any]) -> int:
        """The number of epochs that an earlier run has done, 0 without one.

        `identity` says what is trained, on what and how. ParameterError where the file is of another run, or none of
        ours; ArtifactError where it is damaged.
        """
        check_place(self.path, "the checkpoint")
        self.used, self._identity, self._found, self._saved = False, dict(identity), None, -float("inf")
        self.watched = {}, {}  # nothing of an earlier fit with the same object
        if not self.path.exists():
            return 0
        found = artifact.read(self.path, verify=True)
        if "checkpoint" not in found.header:
            raise ParameterError(f"checkpoint must be a new file or one that a fit left, got {str(self.path)!r}.")
        for name, value in self._identity.items():
            if found.header["checkpoint"].get(name) != value:
                raise self.of_another(name)
        self._found = found
        self.watched = self._part("watch")
        return int(found.header["epochs"])

    def of_another(self, what: str) -> ParameterError:
        """The error of a file that was left by a run with another model, another seed and the like."""
        return ParameterError(
            f"checkpoint must be of the same run, and {self.path} was left by one with another {what}; "
            "name a new file, or remove it."
        )

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, AnyArray]]:
        """(plain, arrays) of the training that the earlier run left; empty without one."""
        self.used = True
        return self._part("training") if self._found is not None else ({}, {})

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= _SHARE * self._cost

    def save(self, epochs: int, plain: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> None:
        """Keep the state after so many epochs. WriteError leaves the file as it was."""
        begun = time.monotonic()
        kinds = {"training": (plain, arrays), "watch": self.watched}
        header = {"checkpoint": self._identity, "epochs": epochs, **{kind: part for kind, (part, _) in kinds.items()}}
        held = {f"{kind}.{name}": array for kind, (_, part) in kinds.items() for name, array in part.items()}
        artifact.write(self.path, held, header)
        self._found = None
        self._saved = time.monotonic()
        self._cost = self._saved - begun

    def finish(self) -> None:
        """Remove the file: the fit has come to its end."""
        self._found = None
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _part(self, kind: str) -> tuple[Mapping[str, Any], Mapping[str, AnyArray]]:
        assert self._found is not None
        head = f"{kind}."
        arrays = {name[len(head) :]: array for name, array in self._found.arrays.items() if name.startswith(head)}
        plain = self._found.header.get(kind)
        if not isinstance(plain, dict):
            raise ArtifactError(f"{self.path} is no whole checkpoint; remove it")
        return plain, arrays
