"""Vectors and the loss as plain loops, what a batch holds, planted tastes of new people and for new items."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, UnsupportedError
from honeyguide.models.deep import two_tower
from honeyguide.models.deep.two_tower import TwoTower
from honeyguide.models.factorization.als import Als
from honeyguide.run import Run
from honeyguide.training import backend

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
KINDS = ("jazz", "metal", "folk")


def planted(people: int = 90, items: int = 45, *, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Events, items and people: a person of a scene has items of that scene's kind, one in ten of another."""
    rng = np.random.default_rng(seed)
    things = pl.DataFrame({"id": range(items), "kind": [KINDS[i % 3] for i in range(items)]})
    crowd = pl.DataFrame({"id": range(people), "scene": [f"scene {KINDS[u % 3]}" for u in range(people)]})
    rows = []
    for user in range(people):
        for _ in range(8):
            item = int(rng.integers(items))
            if rng.random() < 0.9:
                item = 3 * (item // 3) + user % 3
            rows.append((user, item))
    return pl.DataFrame(rows, schema=["user", "item"], orient="row"), things, crowd


@pytest.fixture(scope="module")
def data() -> Dataset:
    events, things, crowd = planted()
    return hg.read(events, items=things, users=crowd)


@pytest.fixture(scope="module")
def model(data: Dataset) -> TwoTower:
    return TwoTower(factors=16, hidden=(24, 12), epochs=20, batch_size=128, negatives=20, blank=0.3).fit(data)


def plain_tower(tower: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    out = x.astype(np.float64)
    for kernel, bias in list(zip(tower[::2], tower[1::2], strict=True))[:-1]:
        out = np.maximum(kernel.T @ out + bias, 0.0)
    return x + tower[-2].T @ out + tower[-1]


def test_scores_are_those_of_a_plain_loop(model: TwoTower, data: Dataset) -> None:
    scenes = sorted({f"scene {kind}" for kind in KINDS})
    kinds = sorted(KINDS)
    scores = model.score(data.profiles())
    for user in (0, 31, 77):
        mine = sorted({int(i) for u, i in zip(data.users, data.items, strict=True) if u == user})
        x = np.mean([model.history_[item] for item in mine], axis=0)
        x = x + model.user_features_[scenes.index(f"scene {KINDS[user % 3]}")]
        u = plain_tower(model.user_tower_, x)
        for item in (0, 13, 44):
            y = model.ids_[item] + model.item_features_[kinds.index(KINDS[item % 3])]
            expected = u @ plain_tower(model.item_tower_, y[:-1]) + y[-1]
            assert scores[user, item] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_loss_is_that_of_a_plain_loop() -> None:
    keras, rng = backend.keras(Run()), np.random.default_rng(3)
    model = TwoTower(factors=4, hidden=(5,), dropout=0.0, reg=0.1)
    layers = [model._tower(keras, side) for side in range(2)]
    for tower in layers:
        for layer in tower[1:]:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    towers = [tuple(v.numpy() for layer in tower[1:] for v in (layer.kernel, layer.bias)) for tower in layers]
    b, t, uniform = 3, two_tower._TARGETS, 6
    count = b * t + uniform
    shapes = {"history": (b, 4), "user_attribute": (b, 4), "item": (count, 5), "item_attribute": (count, 5)}
    rows = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    batch = {
        "item_share": rng.integers(0, 2, count).astype(np.float32),
        "log_drawn": rng.normal(size=count).astype(np.float32),
        "theirs": (rng.random((b, count)) < 0.3).astype(np.float32),
        "place": np.arange(b * t, dtype=np.int32).reshape(b, t),
        "weight": rng.integers(0, 2, (b, t)).astype(np.float32),
    }
    got = float(model._loss(keras.ops, layers, dict.fromkeys(shapes, ""))(rows, batch))

    people, told = rows["history"], rows["user_attribute"]
    users = [plain_tower(towers[0], x + y) for x, y in zip(people, told, strict=True)]
    raw = [batch["item_share"][c] * rows["item"][c] + rows["item_attribute"][c] for c in range(count)]
    total, weights = 0.0, 0.0
    for row in range(b):
        logits = [
            users[row] @ plain_tower(towers[1], x[:-1]) + x[-1] - gone
            for x, gone in zip(raw, batch["log_drawn"], strict=True)
        ]
        others = sum(np.exp(logits[c]) for c in range(count) if not batch["theirs"][row, c])
        for target in range(t):
            own = logits[row * t + target]
            total += batch["weight"][row, target] * (np.log(others + np.exp(own)) - own)
            weights += batch["weight"][row, target]
    penalty = np.mean([x @ x for x in raw]) + np.mean([x @ x for x in people]) + np.mean([x @ x for x in told])
    assert got == pytest.approx(total / weights + 0.1 * penalty, rel=1e-4)


def test_what_an_epoch_holds() -> None:
    rng = np.random.default_rng(0)
    positives = sp.csr_matrix((rng.random((30, 40)) < np.linspace(0.05, 0.9, 30)[:, None]).astype(np.float32))
    none = sp.csr_matrix((30, 0)), sp.csr_matrix((40, 0))
    model = TwoTower(batch_size=32, length=6, negatives=9)
    batches = two_tower._Batches(positives, *none, model)
    given = list(batches.epoch(np.random.default_rng(1)))
    assert len(given) == batches.steps
    seen = np.zeros(positives.shape)
    share = positives.sum(axis=0).A1 / positives.nnz
    for batch in given:
        rows = batch["weight"].shape[0]
        targets = batch["item"][batch["place"]]  # (B, T)
        for row in range(rows):
            mine = targets[row][batch["weight"][row] > 0]
            if not len(mine):
                continue
            read = batch["history"][row].indices
            assert not set(mine) & set(read)
            assert len(set(read)) == len(read)
            assert batch["history"][row].sum() == pytest.approx(float(len(read) > 0))
            owner = [u for u in range(30) if (batch["theirs"][row] == positives[u].toarray()[0, batch["item"]]).all()]
            assert owner
            held = positives[owner[0]].nnz
            assert len(read) == min(6, held - min(two_tower._TARGETS, max(1, held // 2)))
            seen[owner[0], mine] += 1
        expected = targets.size * share[batch["item"]] + 9 / 40
        np.testing.assert_allclose(batch["log_drawn"], np.log(expected), rtol=1e-5)
    np.testing.assert_array_equal(seen, positives.toarray())  # each positive is a target once


def test_planted_tastes(model: TwoTower, data: Dataset) -> None:
    kind = np.arange(data.n_items) % 3
    lists = model.recommend(data.schema.users.series().to_list(), k=3)
    hits = [(item % 3) == (user % 3) for user, item in lists.select("user", "item").rows()]
    assert np.mean(hits) > 0.9
    new = model.recommend(history=[0, 3], k=5)["item"].to_list()
    assert np.mean(kind[new] == 0) > 0.7


def test_someone_new_with_attributes_alone(model: TwoTower) -> None:
    lists = model.recommend(attributes={str(n): {"scene": f"scene {kind}"} for n, kind in enumerate(KINDS)}, k=5)
    hits = [item % 3 == int(user) for user, item in lists.select("user", "item").rows()]
    assert np.mean(hits) > 0.9
    with pytest.raises(DataError, match="attributes must be columns of the table of people, got 'team'; there are: sc"):
        model.recommend(attributes={"team": "red"})


def test_a_new_item_with_attributes_alone(model: TwoTower, tmp_path: Path) -> None:
    before = model.score(model.histories_)
    more = model.with_items(pl.DataFrame({"id": [100, 101, 102, 7], "kind": [*KINDS, "polka"]}))
    new = more.score(more.histories_)
    np.testing.assert_array_equal(new[:, :45], before)
    assert model.score(model.histories_).shape == before.shape  # the model itself is as it was
    assert more.schema_.items.series().to_list()[-3:] == [100, 101, 102]
    for user in range(90):
        assert new[user, 45:].argmax() == user % 3
    same = model.with_items(pl.DataFrame({"id": [7], "kind": ["polka"]}))  # known: it stays as it was
    np.testing.assert_array_equal(same.score(same.histories_), before)
    more.save(tmp_path / "more.safetensors")
    again = hg.open(tmp_path / "more.safetensors", verify=True)
    np.testing.assert_array_equal(again.score(again.histories_), new)
    twice = again.with_items(pl.DataFrame({"id": [200], "kind": ["folk"]}))
    assert twice.score(twice.histories_).shape == (90, 49)
    with pytest.raises(DataError, match="item ids of the model are integers, those of the new items are not"):
        model.with_items(pl.DataFrame({"id": ["x"], "kind": ["folk"]}))
    with pytest.raises(UnsupportedError, match="Als takes in no items after its fit; by attributes do: .*two_tower"):
        Als(factors=2, epochs=1).fit(hg.read(planted()[0])).with_items(pl.DataFrame({"id": [200]}))


def test_what_is_not_read_has_no_part(data: Dataset) -> None:
    small = {"factors": 8, "hidden": (), "epochs": 2}
    blind = TwoTower(history=False, **small).fit(data)
    np.testing.assert_array_equal(*(blind.score(data.profiles([0, 3])) for _ in range(2)))
    assert (blind.score(data.profiles([0])) == blind.score(data.profiles([3]))).all()  # of one scene
    assert (blind.score(data.profiles([0])) != blind.score(data.profiles([1]))).any()
    bare = TwoTower(attributes=False, **small).fit(data)
    assert bare.user_kinds_ == bare.item_kinds_ == ()
    strange = bare.recommend(history=[0], attributes={"scene": "scene folk"}, k=45)
    assert strange.equals(bare.recommend(history=[0], k=45))


def test_towers_without_hidden_layers_are_sums(data: Dataset) -> None:
    model = TwoTower(factors=8, hidden=(), epochs=1).fit(data)
    assert model.user_tower_ == model.item_tower_ == ()
    np.testing.assert_allclose(
        model.item_vectors_,
        model.ids_ + model.item_features_[np.argsort(np.argsort(KINDS))][np.arange(45) % 3],
        rtol=1e-5,
    )
