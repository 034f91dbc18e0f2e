"""Objective: what a deep model gives the engine, that is tables of vectors, Keras layers, a loss in keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray

Batch: TypeAlias = Mapping[str, AnyArray]  # arrays by name, of the same shapes in every batch
Tensor: TypeAlias = Any  # of the backend


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss over a batch, and what it trains.

    tables   name -> initial vectors (rows, F); a bias is a column of the table of its vectors
    lookups  name of an array of ids in the batch, of any shape S -> table whose rows they are
    loss     (rows, batch) -> scalar: rows[key] has shape S + (F,), batch[key] is the array; regularisation included
    layers   built Keras layers or models that the loss uses; their variables are trained
    """

    tables: Mapping[str, FloatArray]
    lookups: Mapping[str, str]
    loss: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
    layers: Sequence[Any] = ()

    @property
    def trainable(self) -> list[Any]:
        """The variables of the layers to train."""
        return [variable for layer in self.layers for variable in layer.trainable_variables]

    @property
    def untrained(self) -> list[Any]:
        """The other variables of the layers: running means, states of random generators."""
        return [variable for layer in self.layers for variable in layer.non_trainable_variables]


def initialise(layers: Sequence[Any], rng: np.random.Generator) -> None:
    """Draw the kernels of built layers from NumPy, so that a seed means the same on every backend.

    Uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010); biases and scales keep what Keras gave them.
    """
    for layer in layers:
        for variable in layer.trainable_variables:
            if len(variable.shape) >= 2:
                limit = np.sqrt(6.0 / (np.prod(variable.shape[:-1]) + variable.shape[-1]))
                variable.assign(rng.uniform(-limit, limit, variable.shape).astype(np.float32))
