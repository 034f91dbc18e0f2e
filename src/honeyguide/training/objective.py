"""Objective: what a deep model gives the engine, that is tables of vectors, Keras layers, a loss in keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from honeyguide.arrays import FloatArray

Batch: TypeAlias = Mapping[str, Any]  # by name: arrays of the same shapes in every batch, and CSR matrices of bags
Tensor: TypeAlias = Any  # of the backend


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss over a batch, and what it trains.

    tables   name -> initial vectors (rows, F); a bias is a column of the table of its vectors
    lookups  name of an array of ids in the batch, of any shape S -> table whose rows they are
    bags     name of a CSR matrix (B, N) in the batch -> table (N, F) whose rows it adds up, with its numbers as weights
    loss     (rows, batch) -> scalar: rows[key] has shape S + (F,), of a bag (B, F), the product; batch[key] is the
             array (sparse matrices are left out); regularisation included, but for decays
    layers   built Keras layers or models that the loss uses; their variables are trained
    decays   table -> weight, in the loss, of the sum of squares of all its numbers

    The first layer of a network that reads sparse rows is a bag: its kernel is a table.
    """

    tables: Mapping[str, FloatArray]
    lookups: Mapping[str, str]
    loss: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
    layers: Sequence[Any] = ()
    bags: Mapping[str, str] = field(default_factory=dict)
    decays: Mapping[str, float] = field(default_factory=dict)

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

    Biases and scales keep what Keras gave them.
    """
    for layer in layers:
        for variable in layer.trainable_variables:
            if len(variable.shape) >= 2:
                variable.assign(uniform(variable.shape, rng))


def uniform(shape: Sequence[int], rng: np.random.Generator) -> FloatArray:
    """A first kernel (…, outputs), uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010)."""
    limit = np.sqrt(6.0 / (np.prod(shape[:-1]) + shape[-1]))
    return rng.uniform(-limit, limit, tuple(shape)).astype(np.float32)


def offset(keras: Any, width: int) -> Any:
    """A built layer that adds a trained vector (width,), at first 0: the bias of a layer whose kernel is a table."""
    layer = keras.layers.Layer()
    layer.bias = layer.add_weight(shape=(width,), initializer="zeros", name="bias")
    return layer
