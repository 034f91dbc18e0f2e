"""A fitted model ⇄ one file: its learned state, its schema and the histories it was trained on.

Learned state is an array, a CSR matrix, a scalar, a string, a tuple of these, or a fitted model (under a prefix).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide import __version__, artifact, params
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Positive, Schema
from honeyguide.data.features import check_kinds
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import ArtifactError
from honeyguide.models import registry, renew, sound

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

_COMMON = ("schema_", "histories_", "fingerprint_")  # kept once, apart from the model's own state
_ITEMS = "items"  # how many a model in the learned state of another knows
_TABLES = ("item_table", "user_table", "context")
_VERSIONED = ("honeyguide", "numpy", "scipy", "numba", "keras", "jax", "tensorflow")


def save(model: Recommender, path: str | Path, *, histories: bool = True) -> None:
    """Write a fitted model, whole or not at all; one opened from a file without histories has none to write."""
    histories = histories and len(model.histories_) == len(model.schema_.users)
    arrays: dict[str, AnyArray] = {}
    header = {
        **_pack_model(model, "model", arrays),
        "schema": _pack_schema(model.schema_, arrays),
        "histories": histories,
        "fingerprint": model.fingerprint_,
        "versions": {name: sys.modules[name].__version__ for name in _VERSIONED if name in sys.modules},
    }
    if histories:
        for name in ("indptr", "items", "values", "times"):
            events = getattr(model.histories_, name)
            if events is not None:
                arrays[f"histories.{name}"] = events
    artifact.write(path, arrays, header)


def open_model(path: str | Path, *, verify: bool = False) -> Recommender:
    """Open a saved model; its arrays are mapped. Codes and offsets are read, to see that they are in range.

    With `verify`, the contents of all arrays are checked against their digests, and the model is made to score.
    Raises ArtifactError for a damaged, foreign or later file.
    """
    file = artifact.read(path, verify=verify)
    if "checkpoint" in file.header:
        raise ArtifactError(
            f"{path} is a checkpoint of a fit that did not come to its end, not a model; fit on with it"
        )
    try:
        schema = _unpack_schema(file)
        model = _unpack_model("model", file.header, file.arrays)
        model.schema_, model.fingerprint_ = schema, str(file.header["fingerprint"])
        model.histories_ = _unpack_histories(schema, file)
        sound.state(model)
        for value in vars(model).values():
            _share(model, value)
        if verify:
            sound.model(model)
    except sound.FAULTS as error:
        what = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ArtifactError(f"{path} cannot be opened by honeyguide {__version__}: {what}") from error
    return model


def _share(model: Recommender, value: Any) -> None:
    """Models in the learned state serve the same people and items; of these the first, where new ones came later."""
    from honeyguide.models.base import Recommender

    if isinstance(value, tuple):
        for part in value:
            _share(model, part)
    elif isinstance(value, Recommender):
        schema = renew.first_items(model.schema_, vars(value).pop(_ITEMS, len(model.schema_.items)))
        value.schema_, value.fingerprint_ = schema, model.fingerprint_
        value.histories_ = model.histories_ if schema is model.schema_ else replace(model.histories_, schema=schema)
        sound.state(value)
        for inner in tuple(vars(value).values()):
            _share(model, inner)


def _pack_model(model: Recommender, prefix: str, arrays: dict[str, AnyArray]) -> dict[str, Any]:
    given = {name: getattr(model, name) for name in params.declarations(type(model))}
    state = {n: v for n, v in vars(model).items() if n.endswith("_") and not n.startswith("_") and n not in _COMMON}
    return {
        "model": registry.canonical(type(model).__name__),
        "hyperparameters": given,
        "state": {name: pack(value, f"{prefix}.{name}", arrays) for name, value in state.items()},
    }


def pack(value: Any, name: str, arrays: dict[str, AnyArray]) -> dict[str, Any]:
    """One piece of learned state as JSON; its arrays are added to `arrays`, under names that begin with `name`."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"kind": "array"}
    if sp.issparse(value):
        matrix = value.tocsr()
        arrays.update({f"{name}.data": matrix.data, f"{name}.indices": matrix.indices, f"{name}.indptr": matrix.indptr})
        return {"kind": "csr", "shape": list(matrix.shape)}
    if isinstance(value, tuple):
        return {"kind": "tuple", "parts": [pack(part, f"{name}.{at}", arrays) for at, part in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return {"kind": "scalar", "value": value.item() if isinstance(value, np.generic) else value}
    return {"kind": "model", _ITEMS: len(value.schema_.items), **_pack_model(value, name, arrays)}


def _unpack_model(prefix: str, packed: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Recommender:
    cls = registry.load(packed["model"])
    declared = params.declarations(cls)
    given = {
        n: tuple(v) if declared[n].kind is tuple and v is not None else v for n, v in packed["hyperparameters"].items()
    }
    model = cls(**given)
    for name, part in packed["state"].items():
        if not name.endswith("_") or name.startswith("_") or name in _COMMON:
            raise ValueError(f"{name!r} is no learned state")
        setattr(model, name, unpack(part, f"{prefix}.{name}", arrays))
    return model


def unpack(part: Mapping[str, Any], name: str, arrays: Mapping[str, AnyArray]) -> Any:
    """What `pack` made `part` of. ValueError or KeyError where it is of nothing that a model learns."""
    match part["kind"]:
        case "array":
            return arrays[name]
        case "csr":
            parts = arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"]
            matrix = sp.csr_matrix(parts, shape=part["shape"], copy=False)
            matrix.check_format(full_check=True)
            return matrix
        case "tuple":
            return tuple(unpack(inner, f"{name}.{at}", arrays) for at, inner in enumerate(part["parts"]))
        case "scalar" if part["value"] is None or isinstance(part["value"], bool | int | float | str):
            return part["value"]
        case "model":
            model = _unpack_model(name, part, arrays)
            if _ITEMS in part:  # files of before some knew fewer have none
                setattr(model, _ITEMS, int(part[_ITEMS]))
            return model
    raise ValueError(f"{name!r} is of no kind of learned state")


def _pack_schema(schema: Schema, arrays: dict[str, AnyArray]) -> dict[str, Any]:
    for side in ("users", "items"):
        arrays.update({f"{side}.{name}": array for name, array in getattr(schema, side).arrays().items()})
    for name in _TABLES:
        table: pl.DataFrame = getattr(schema, name)
        if table.width:
            buffer = io.BytesIO()
            table.write_ipc(buffer)
            arrays[name] = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    plain = {
        "explicit": schema.explicit, "scale": schema.scale, "positive": schema.positive.rule, "name": schema.name,
        "kinds": dict(schema.kinds),
    }  # fmt: skip
    assert {field.name for field in fields(schema)} == {*plain, *_TABLES, "users", "items", "frame"}
    return plain


def _unpack_schema(file: artifact.Artifact) -> Schema:
    plain, arrays = file.header["schema"], file.arrays
    sides = {
        s: Vocabulary.from_arrays({n: arrays[f"{s}.{n}"] for n in ("ids", "offsets", "order")})
        for s in ("users", "items")
    }
    for side, vocabulary in sides.items():
        sound.vocabulary(side, vocabulary)
    tables = [pl.read_ipc(io.BytesIO(arrays[n].tobytes())) if n in arrays else pl.DataFrame() for n in _TABLES]
    scale = None if plain["scale"] is None else (float(plain["scale"][0]), float(plain["scale"][1]))
    positive, explicit, name = Positive(plain["positive"]), bool(plain["explicit"]), str(plain["name"])
    kinds = check_kinds(plain.get("kinds", {}), *tables)  # files before there were kinds have none
    for table, side in zip(tables[:2], ("items", "users"), strict=True):
        if table.width and len(table) != len(sides[side]):
            raise ValueError(f"the table of {side} has {len(table)} rows for {len(sides[side])} {side}")
    return Schema(
        sides["users"], sides["items"], explicit, scale, positive, tables[0], tables[1], kinds, tables[2].clear(),
        name=name,
    )  # fmt: skip


def _unpack_histories(schema: Schema, file: artifact.Artifact) -> Profiles:
    if not file.header["histories"]:
        nobody = np.zeros(0, np.int32)
        return Profiles(schema, nobody, np.zeros(1, np.int64), nobody, np.zeros(0, np.float32))
    indptr, items, values = (file.arrays[f"histories.{name}"] for name in ("indptr", "items", "values"))
    times = file.arrays.get("histories.times")
    sound.histories(schema, indptr, items, values, times)
    return Profiles.of_everyone(schema, indptr, items, values, times)
