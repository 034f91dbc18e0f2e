"""Files made to harm are refused on one line; nested state comes back; an old file of each format stays readable."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide import artifact
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ArtifactError
from honeyguide.models import registry, stored
from honeyguide.models.base import Recommender
from honeyguide.models.baseline.popular import Popular
from honeyguide.models.factorization.ease import Ease
from honeyguide.models.factorization.mf import Mf

Arrays = dict[str, AnyArray]
Change = Callable[[dict[str, Any], Arrays], None]


@pytest.fixture(scope="module")
def saved(ratings: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "ease.safetensors"
    Ease(reg=10.0).fit(ratings).save(path)
    return path


def altered(saved: Path, path: Path, change: Change) -> Path:
    """The file with a change to its header or arrays, its digests made anew: as someone would who means harm."""
    file = artifact.read(saved)
    header, arrays = json.loads(json.dumps(dict(file.header))), {n: a.copy() for n, a in file.arrays.items()}
    change(header, arrays)
    artifact.write(path, arrays, header)
    return path


def put(name: str, at: object, value: object) -> Change:
    """Write into an array."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        arrays[name][at] = value  # type: ignore[index]

    return change


def cut(name: str) -> Change:
    """Take the last element off an array."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        arrays[name] = arrays[name][:-1]

    return change


def narrow(name: str, width: int) -> Change:
    """Cut the rows of an array to a width."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        arrays[name] = arrays[name][:, :width]

    return change


def flatten(name: str) -> Change:
    """Give an array one dimension."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        arrays[name] = arrays[name].ravel()

    return change


def cast(name: str, dtype: str) -> Change:
    """Give an array another type."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(dtype)

    return change


def drop(name: str) -> Change:
    """Leave an array out."""

    def change(_: dict[str, Any], arrays: Arrays) -> None:
        del arrays[name]

    return change


def head(*keys: str, value: object) -> Change:
    """Set an entry of the header."""

    def change(header: dict[str, Any], _: Arrays) -> None:
        inner = header
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def not_characters(_: dict[str, Any], arrays: Arrays) -> None:
    arrays["items.ids"][:] = 0xFF


HARM = {
    "an item code beyond the vocabulary": put("histories.items", 0, 30),
    "a negative item code": put("histories.items", -1, -2),
    "a history that ends beyond the events": put("histories.indptr", -1, 10**9),
    "a history that runs backwards": put("histories.indptr", 3, 0),
    "too few histories": cut("histories.indptr"),
    "values of another length": cut("histories.values"),
    "times of another length": cut("histories.times"),
    "items as floats": cast("histories.items", "f4"),
    "an order beyond the ids": put("users.order", 0, 40),
    "offsets that run backwards": put("users.offsets", 4, 0),
    "offsets beyond the text": put("items.offsets", -1, 10**12),
    "offsets that cut a character": lambda _, arrays: arrays["users.offsets"].__setitem__(
        1, arrays["users.offsets"][1] - 1
    ),
    "ids that are not UTF-8": not_characters,
    "a table that is not Arrow": put("item_table", slice(None), 7),
    "a table of fewer people": lambda _, arrays: arrays.__setitem__("user_table", arrays["item_table"]),
    "a table cut short": lambda _, arrays: arrays.__setitem__("item_table", arrays["item_table"][:200]),
    "no weights": drop("model.weights_"),
    "no vocabulary": drop("items.ids"),
    "no values": drop("histories.values"),
    "an unknown model": head("model", value="../../evil"),
    "a model that is a number": head("model", value=7),
    "a hyperparameter out of range": head("hyperparameters", value={"reg": -1.0}),
    "a hyperparameter of another kind": head("hyperparameters", value={"reg": [1]}),
    "an unknown hyperparameter": head("hyperparameters", value={"regg": 1.0}),
    "hyperparameters in a list": head("hyperparameters", value=[1]),
    "state that would replace a method": head("state", "fit", value={"kind": "scalar", "value": 1}),
    "state that would replace the class": head("state", "__class__", value={"kind": "scalar", "value": 1}),
    "state of an unknown kind": head("state", "weights_", value={"kind": "pickle", "value": "cos\nsystem\n"}),
    "a scalar that is a list": head("state", "x_", value={"kind": "scalar", "value": [1]}),
    "a matrix without arrays": head("state", "x_", value={"kind": "csr", "shape": [3, 3]}),
    "a state that is a list": head("state", value=[1, 2]),
    "a scale of one number": head("schema", "scale", value=[1.0]),
    "a scale of words": head("schema", "scale", value=["low", "high"]),
    "a positive rule that is code": head("schema", "positive", value="__import__('os')"),
    "no schema": head("schema", value=None),
    "no state": lambda header, _: header.pop("state"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_file_made_to_harm_is_refused(saved: Path, tmp_path: Path, harm: str) -> None:
    path = altered(saved, tmp_path / "x.safetensors", HARM[harm])
    with pytest.raises(ArtifactError, match=r"x.safetensors cannot be opened by honeyguide \d") as caught:
        hg.open(path)
    assert "\n" not in str(caught.value)


SHORT = {
    "too few item vectors": (cut("model.item_vectors_"), r"item_vectors_ must be \(30, 4\), got \(29, 4\)"),
    "too few people": (cut("model.user_vectors_"), r"user_vectors_ must be \(40, 4\), got \(39, 4\)"),
    "vectors of two lengths": (narrow("model.item_vectors_", 3), r"item_vectors_ must be \(30, 4\), got \(30, 3\)"),
    "vectors of length 0": (
        narrow("model.user_vectors_", 0),
        r"user_vectors_ must have the dimensions UK, got \(40, 0",
    ),
    "a line for a table": (flatten("model.item_vectors_"), r"item_vectors_ must have the dimensions IK, got \(120,\)"),
}


@pytest.mark.parametrize("harm", SHORT)
def test_arrays_that_kernels_would_read_beyond_are_refused(ratings: Dataset, tmp_path: Path, harm: str) -> None:
    Mf(factors=3, epochs=1).fit(ratings).save(tmp_path / "mf")
    change, message = SHORT[harm]
    path = altered(tmp_path / "mf", tmp_path / "x.safetensors", change)
    with pytest.raises(ArtifactError, match=rf"x.safetensors cannot be opened by honeyguide [\d.]+: {message}"):
        hg.open(path)


def test_what_only_scores_show_is_found_when_verified(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ease, "shapes", {})  # as a model that states none

    def shrink(_: dict[str, Any], arrays: Arrays) -> None:
        arrays["model.weights_"] = arrays["model.weights_"][:, :5]

    path = altered(saved, tmp_path / "x.safetensors", shrink)
    user = hg.open(saved).schema_.users.series()[0]
    with pytest.raises(ArtifactError, match=r"gave scores \(1, 5\) where \(1, 30\) are due; honeyguide verify"):
        hg.open(path).recommend(user)
    for change in (shrink, put("model.weights_", (0, 1), np.nan), put("users.order", [0, 1], [1, 0])):
        altered(saved, path, change)
        with pytest.raises(ArtifactError, match="cannot be opened"):
            hg.open(path, verify=True)


def _raw(path: Path, layout: dict[str, Any], header: str = "{}", body: bytes = b"") -> Path:
    """A file whose header is written by hand, its digest right."""
    metadata = {"format": "honeyguide", "format_version": "1", "header": header, "digests": "{}"}
    metadata["digest"] = artifact._header_digest(metadata, layout)
    text = json.dumps({"__metadata__": metadata, **layout}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def _entry(shape: list[Any], begin: Any, end: Any, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "layout",
    [
        {"a": _entry([2**62, 8], 0, 8)},
        {"a": _entry([0, 2**63], 0, 0)},
        {"a": _entry([8], -8, 0), "b": _entry([8], 0, 8)},
        {"a": _entry([-8, -1], 0, 8)},
        {"a": _entry([8.0], 0, 8)},
        {"a": _entry([8], 0, 8), "b": _entry([8], 0, 8)},
        {"a": _entry([4], 0, 4), "b": _entry([2], 6, 8)},
        {"a": _entry([1], 0, 1), "b": _entry([7], 1, 8, "F64")},
        {"a": _entry([8], "0", "8")},
        {"a": _entry([8], 0, 8, "PICKLE")},
        {"a": _entry([[8]], 0, 8)},
        {"a": [8]},
        {"a": None},
    ],
    ids=str,
)
def test_a_layout_made_to_harm_is_refused(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = _raw(tmp_path / "x", layout, body=bytes(8))
    with pytest.raises(
        ArtifactError, match=r"is not a honeyguide model file|do not fit its shapes|is truncated|is longer"
    ):
        artifact.read(path)


def test_headers_made_to_harm_are_refused(tmp_path: Path) -> None:
    for header in ("[" * 100_000, "[1]", "7", '{"a": ', "\udcff".encode("utf-8", "surrogatepass").decode("latin-1")):
        with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
            artifact.read(_raw(tmp_path / "x", {}, header=header))
    for text in (b"[" * 100_000, b"\xff\xfe" * 50, b'{"a":' * 20_000, b"9" * 5_000, b"null", b'"__metadata__"'):
        (tmp_path / "y").write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
            artifact.read(tmp_path / "y")
    (tmp_path / "z").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    with pytest.raises(ArtifactError, match="is not a honeyguide model file"):
        artifact.read(tmp_path / "z")


# ---- state of every kind --------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class Blend(Popular):
    """A model of models, for this test alone."""


def test_state_of_every_kind_comes_back(ratings: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known, load = registry.canonical, registry.load
    monkeypatch.setattr(registry, "canonical", lambda name: "blend" if name.lower() == "blend" else known(name))
    monkeypatch.setattr(registry, "load", lambda name: Blend if name == "blend" else load(name))
    model = Blend().fit(ratings)
    parts = (Ease(reg=3.0).fit(ratings), Popular().fit(ratings))
    model.parts_ = (parts, np.arange(6).reshape(2, 3), "naïve 🐦", None, 2.5, True, np.float32(0.5), ())  # type: ignore[attr-defined]
    model.matrix_ = sp.csr_matrix(np.eye(3, 5, dtype=np.float32))  # type: ignore[attr-defined]
    model.save(tmp_path / "m")
    again: Any = hg.open(tmp_path / "m", verify=True)
    (ease, popular), array, text, nothing, number, truth, small, empty = again.parts_
    assert isinstance(ease, Ease)
    assert ease.reg == 3.0
    user = ratings.schema.users.series()[0]
    for mine, theirs in ((ease, parts[0]), (popular, parts[1]), (again, model)):
        assert mine.recommend(user).equals(theirs.recommend(user))
    np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))
    assert (text, nothing, number, truth, small, empty) == ("naïve 🐦", None, 2.5, True, 0.5, ())
    assert (again.matrix_ != model.matrix_).nnz == 0  # type: ignore[attr-defined]


def test_opening_copies_no_array(saved: Path) -> None:
    model: Any = hg.open(saved)
    for array in (model.weights_, model.histories_.items, model.schema_.users.ids):
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_a_copy_of_the_state_is_no_recommender_of_another_class(saved: Path) -> None:
    assert type(hg.open(saved)) is Ease
    assert issubclass(Ease, Recommender)
    assert stored._COMMON == ("schema_", "histories_", "fingerprint_")


# ---- old files ------------------------------------------------------------------------------------------------------

OLD = Path(__file__).parents[1] / "files" / "format-1.safetensors"
"""EASE with reg 2 on some 30 ratings of six people and eight films, by honeyguide 0.1.0; never to be rewritten."""


def test_a_file_of_format_1_stays_readable() -> None:
    model: Any = hg.open(OLD, verify=True)
    assert isinstance(model, Ease)
    assert model.reg == 2.0
    assert model.schema_.positive.rule == ">=3"
    assert model.schema_.scale == (0.5, 5.0)
    assert model.fingerprint_ == "de517a881b2af39c1ea1d576f48af757"
    assert model.schema_.titles(np.array([3])) == ["Title of film 3 é"]
    table = model.recommend("user 2", k=4, seen=True)
    assert table["item"].to_list() == [f"film {n} é" for n in (0, 4, 3, 7)]
    np.testing.assert_allclose(table["score"], [0.718403, 0.490348, 0.410541, 0.239707], rtol=1e-5)
    assert model.recommend("user 2", k=2)["item"].to_list() == ["film 7 é", "film 2 é"]
    new = model.recommend(history=[("film 3 é", 5.0)], k=3)
    assert new["item"].to_list() == [f"film {n} é" for n in (0, 2, 4)]


def test_its_lists_are_those_of_the_closed_form() -> None:
    model: Any = hg.open(OLD)
    positives = model.histories_.positives().toarray()  # (U, I)
    inverse = np.linalg.inv(positives.T @ positives + 2.0 * np.eye(positives.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    np.testing.assert_allclose(model.score(model.histories_), positives @ weights, atol=1e-6)
