"""Objective: what a deep model gives the engine, that is tables of vectors, a Keras network, a loss in keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from honeyguide.arrays import AnyArray, FloatArray

Batch: TypeAlias = Mapping[str, AnyArray]  # arrays by name, of the same shapes in every batch
Tensor: TypeAlias = Any  # of the backend


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss over a batch, and what it trains.

    tables   name -> initial vectors (rows, F); a bias is a column of the table of its vectors
    lookups  name of an array of ids in the batch, of any shape S -> table whose rows they are
    loss     (rows, batch) -> scalar: rows[key] has shape S + (F,), batch[key] is the array; regularisation included
    network  a built Keras layer or model whose trainable variables the loss uses, or None
    """

    tables: Mapping[str, FloatArray]
    lookups: Mapping[str, str]
    loss: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
    network: Any = None

    @property
    def trainable(self) -> list[Any]:
        """The network's variables to train."""
        return [] if self.network is None else list(self.network.trainable_variables)

    @property
    def untrained(self) -> list[Any]:
        """The network's other variables: running means, states of random generators."""
        return [] if self.network is None else list(self.network.non_trainable_variables)
