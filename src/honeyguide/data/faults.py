"""What is wrong with rows while they stream by: counted by kind, the first rows and one example kept of each.

`read` refuses at the first kind it meets; `check` reports them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from honeyguide.arrays import AnyArray
from honeyguide.errors import DataError

LONGEST_ID = 10_000  # bytes
SHOWN = 5  # rows named of each kind of fault


@dataclass
class Fault:
    """One kind of fault: how many rows have it, the first of them (counted from 1), and what one of them held."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    example: str = ""


@dataclass
class Faults:
    """The faults of one source. Where strict, a line that cannot be read raises; where lenient, it is noted."""

    source: str
    is_file: bool = True
    lenient: bool = False
    kinds: dict[str, Fault] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)

    @property
    def advice(self) -> str:
        """What shows all that is wrong: a command for a file, a call for a database or a frame."""
        return f"honeyguide check {self.source}" if self.is_file else "hg.check with the same arguments"

    def add(self, kind: str, rows: Sequence[int] | AnyArray, example: str = "") -> None:
        """Count rows (numbers from 1, ascending) under a kind."""
        if len(rows) == 0:
            return
        fault = self.kinds.setdefault(kind, Fault())
        fault.count += len(rows)
        fault.rows += [int(row) for row in rows[: SHOWN - len(fault.rows)]] if len(fault.rows) < SHOWN else []
        fault.example = fault.example or example

    def line(self, row: int, line: int, problem: str) -> None:
        """Note a line that cannot be read, or raise."""
        if not self.lenient:
            raise DataError(
                f"line {line} of {self.source} {problem}; honeyguide check {self.source} shows all such lines"
            )
        self.add("unreadable", [row], f"line {line} {problem}")
        self.unreadable.add(row)

    def count(self, kinds: Iterable[str]) -> int:
        """Rows counted under any of the kinds."""
        return sum(self.kinds[kind].count for kind in kinds if kind in self.kinds)


def where(mask: AnyArray, before: int) -> AnyArray:
    """The numbers, from 1, of the rows that a mask over a batch picks; `before` rows came earlier."""
    return np.flatnonzero(mask) + before + 1


def phrase(kind: str, fault: Fault) -> str:
    """What rows with a kind of fault have, in words."""
    what, _, role = kind.partition(" ")
    a_role = f"{'an' if role == 'item' else 'a'} {role}"
    if kind == "no value":
        return f"without a {fault.example}"
    return {
        "no": f"without {a_role}",
        "long": f"with {a_role} id of {fault.example} (at most {LONGEST_ID:,} are allowed)",
        "fraction": f"with {a_role} id that is not a whole number, such as {fault.example}",
        "mixed": f"with {a_role} id of another type, such as {fault.example}",
        "not": f"with {fault.example!r}, which is {kind}",
        "infinite": f"with the infinite value {fault.example!r}",
        "outside": f"with a rating {kind}, such as {fault.example}",
        "unreadable": f"that cannot be read ({fault.example})",
        "encoding": f"with bytes of another encoding ({fault.example})",
        "blank": "that are empty",
    }[what]
