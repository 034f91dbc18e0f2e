"""NeuMF: two routes to one answer, the objective as written, planted tastes, and people it has never seen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.errors import ArtifactError, DataError, DivergedError, ParameterError
from honeyguide.models.deep import _neumf_net as net
from honeyguide.models.deep import _neumf_stranger as stranger
from honeyguide.models.deep import neumf
from honeyguide.models.deep.neumf import NeuMF
from honeyguide.models.people import strangers
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.sampling import Pointwise

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
Make = Callable[..., Dataset]


def random_net(hidden: tuple[int, ...], factors: int = 5, seed: int = 0) -> net.Net:
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = []
    for place, units in enumerate(hidden):
        below = factors if place == 0 else hidden[place - 1]
        shapes += [(factors, units), (factors, units), (units,)] if place == 0 else [(below, units), (units,)]
    shapes += [(factors + (hidden[-1] if hidden else 0), 1), (1,)]
    return net.Net(factors, tuple(rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes))


def vectors(rows: int, hidden: tuple[int, ...], factors: int = 5, seed: int = 1) -> np.ndarray:
    width = factors * (2 if hidden else 1) + 1
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def by_hand(network: net.Net, person: np.ndarray, item: np.ndarray, hidden: tuple[int, ...]) -> float:
    """The formula of the module's docstring for one pair, in double precision."""
    factors = network.factors
    weights = [weight.astype(np.float64) for weight in network.weights]
    top = np.zeros(0)
    if hidden:
        first = np.concatenate([weights[0], weights[1]])  # (2F, H1)
        both = np.concatenate([person[factors:-1], item[factors:-1]])
        top = np.maximum(both @ first + weights[2], 0)
        for kernel, bias in zip(weights[3:-2:2], weights[4:-2:2], strict=True):
            top = np.maximum(top @ kernel + bias, 0)
    joined = np.concatenate([person[:factors].astype(np.float64) * item[:factors], top])
    return float(joined @ weights[-2][:, 0] + weights[-1][0] + person[-1] + item[-1])


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (8, 6, 4)])
def test_the_network_is_the_formula(hidden: tuple[int, ...]) -> None:
    network, people, items = random_net(hidden), vectors(40, hidden), vectors(300, hidden, seed=2)
    expected = np.array([[by_hand(network, p, i, hidden) for i in items] for p in people])
    np.testing.assert_allclose(network.grid(people, items), expected, rtol=1e-4, atol=1e-4)
    rows, codes = np.divmod(np.arange(40 * 300), 300)
    np.testing.assert_allclose(network.pairs(people[rows], items[codes]), expected.ravel(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hidden", [(), (7,), (8, 6, 4)])
def test_keras_trains_what_numpy_scores(hidden: tuple[int, ...]) -> None:
    keras = backend.keras(hg.Run())
    model = NeuMF(factors=5, hidden=hidden)
    network, people, items = random_net(hidden), vectors(6, hidden), vectors(9, hidden, seed=2)
    layers = model._layers(keras, 0, model._parts)
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    for variable, weight in zip(variables, network.weights, strict=True):
        variable.assign(weight)
    out = model._output(keras.ops, layers, people[:, None], np.broadcast_to(items, (6, *items.shape)), model._parts)
    np.testing.assert_allclose(np.asarray(out), network.grid(people, items), rtol=1e-4, atol=1e-4)


def terms_of(rng: np.random.Generator, people: int, items: int, *, logistic: bool) -> tuple[stranger.Terms, np.ndarray]:
    """Known pairs with numbers y, and weights for a sample (M,) of what is lacking."""
    known = sp.random(people, items, 0.3, format="csr", dtype=np.float32, random_state=rng)
    known.data[:] = rng.uniform(0, 1, known.nnz)
    sample = np.sort(rng.permutation(items)[: items // 2]).astype(np.int32)
    lacking = rng.uniform(5, 20, (people, len(sample) if logistic else 0)).astype(np.float32)
    weight = np.diff(known.indptr) + lacking.sum(axis=1)
    return stranger.Terms(known, lacking, weight.astype(np.float32)), sample


def loss_by_hand(
    network: net.Net, vector: np.ndarray, items: np.ndarray, terms: stranger.Terms, sample: np.ndarray, person: int,
    hidden: tuple[int, ...], logistic: bool,
) -> float:  # fmt: skip
    row = terms.known[person]
    total = 0.0
    for code, y in zip(row.indices, row.data.tolist(), strict=True):
        out = by_hand(network, vector, items[code], hidden)
        total += float(np.logaddexp(0, out) - y * out if logistic else (out - y) ** 2)
    for code, weight in zip(sample, terms.lacking[person].tolist(), strict=False):  # ratings have no weights
        total += float(weight * np.logaddexp(0, by_hand(network, vector, items[code], hidden)))
    return total


@pytest.mark.parametrize("logistic", [True, False])
@pytest.mark.parametrize("hidden", [(), (7,), (8, 6, 4)])
def test_a_strangers_loss_and_slope_are_the_formulas(hidden: tuple[int, ...], logistic: bool) -> None:
    network, items = random_net(hidden), vectors(20, hidden, seed=2)
    terms, sample = terms_of(np.random.default_rng(3), 3, 20, logistic=logistic)
    drawn = stranger._Items.of(network, items[sample])
    pairs = stranger._Items.of(network, items[terms.known.indices])
    people = vectors(3, hidden, seed=4)
    value, slope = stranger._Loss(network, drawn, terms.lacking, pairs, terms.known, logistic).at(people)
    for person in range(3):

        def loss(vector: np.ndarray, person: int = person) -> float:
            return loss_by_hand(network, vector, items, terms, sample, person, hidden, logistic)

        assert value[person] == pytest.approx(loss(people[person]), rel=1e-4)
        for column in range(people.shape[1]):
            step = np.zeros(people.shape[1])
            step[column] = 1e-5
            expected = (loss(people[person] + step) - loss(people[person] - step)) / 2e-5
            assert slope[person, column] == pytest.approx(expected, rel=1e-2, abs=2e-3)


@pytest.mark.parametrize("logistic", [True, False])
@pytest.mark.parametrize("hidden", [(), (7,)])
def test_a_stranger_is_the_most_probable_vector(hidden: tuple[int, ...], logistic: bool) -> None:
    """Beside SciPy's minimum of the same function, the normal distribution written out with its covariance."""
    rng = np.random.default_rng(5)
    network, items = random_net(hidden), 0.7 * vectors(24, hidden, seed=2)
    width = items.shape[1]
    users = rng.normal(size=(200, width)) @ rng.normal(0, 0.15, (width, width)) + rng.normal(0, 0.3, width)
    terms, sample = terms_of(rng, 3, 24, logistic=logistic)
    total = terms.heft.mean()
    known = np.full(len(sample), float(np.diff(terms.known.indptr).mean()) / total / len(sample), np.float32)
    lacking = terms.lacking.mean(axis=0) / total if logistic else np.zeros(len(sample), np.float32)
    noise = None if logistic else 0.1
    prior = stranger.Prior.of(network, users.astype(np.float32), items[sample], lacking, known, noise=noise)
    spread = np.cov(users.T)
    spread += stranger._RIDGE * np.trace(spread) / width * np.eye(width)
    inverse = np.linalg.inv(spread) * (noise or 1.0)
    np.testing.assert_allclose(prior.basis @ prior.basis.T, np.linalg.inv(inverse), rtol=1e-3, atol=1e-4)
    slopes = np.array([  # (M, W) of outputs at the mean, by central differences
        [(by_hand(network, users.mean(axis=0) + step, item, hidden)
          - by_hand(network, users.mean(axis=0) - step, item, hidden)) / 2e-4
         for step in 1e-4 * np.eye(width)] for item in items[sample].astype(np.float64)
    ])  # fmt: skip
    heft = 2.0 * known
    if logistic:
        outs = np.array([[by_hand(network, user, item, hidden) for item in items[sample]] for user in users])
        s = 1.0 / (1.0 + np.exp(-outs))
        heft = 0.25 * known + lacking * (s * (1.0 - s)).mean(axis=0)
    along = slopes @ prior.basis  # of z
    np.testing.assert_allclose(along.T @ (heft[:, None] * along), np.diag(prior.curvature), rtol=0.02, atol=2e-3)
    found = stranger.fold_in(network, items, sample, terms, prior, logistic=logistic)
    for person in range(3):

        def f(vector: np.ndarray, person: int = person) -> float:
            off = vector - users.mean(axis=0)
            loss = loss_by_hand(network, vector, items, terms, sample, person, hidden, logistic)
            return loss + 0.5 * float(off @ inverse @ off)

        begin, least = f(users.mean(axis=0)), minimize(f, users.mean(axis=0), method="L-BFGS-B", tol=1e-10).fun
        assert f(found[person]) - least < 0.05 * (begin - least) + 1e-3  # ten steps, across kinks


def test_a_step_that_does_not_descend_is_taken_back() -> None:
    """With a curvature of 0 every step is far too long."""
    network, items = random_net((7,)), vectors(24, (7,), seed=2)
    terms, sample = terms_of(np.random.default_rng(5), 3, 24, logistic=True)
    width = items.shape[1]
    eye = np.eye(width, dtype=np.float32)
    prior = stranger.Prior(np.zeros(width, np.float32), eye, np.zeros(width, np.float32))
    found = stranger.fold_in(network, items, sample, terms, prior, logistic=True)
    for person in range(3):
        value, begin = (
            loss_by_hand(network, vector, items, terms, sample, person, (7,), True) + 0.5 * float(vector @ vector)
            for vector in (found[person].astype(np.float64), np.zeros(width))
        )
        assert value < 0.9 * begin


def test_how_likely_a_vector_is_counts_for_whether_a_step_descends() -> None:
    """f = -c.z + |z|^2 / 2 is least at c, where the first step comes; the loss alone falls further."""

    class Falling:
        def at(self, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            slope = np.tile(np.float32([-1.0, 2.0]), (len(people), 1))
            return (people * slope).sum(axis=1), slope

    prior = stranger.Prior(np.float32([3.0, 3.0]), np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    found = stranger._descend(Falling(), prior, np.ones(1, np.float32))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [[4.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize("size", [12, 40])
def test_the_sample_stands_for_every_item(size: int) -> None:
    rng = np.random.default_rng(0)
    counts = np.append(rng.integers(0, 30, 400), [5000, 2000])
    rng.shuffle(counts)
    sample, stands = stranger.draw(counts, size)
    assert len(sample) == pytest.approx(size, abs=1)
    assert set(np.flatnonzero(counts >= 2000)) <= set(sample)
    assert stands.min() >= 1.0
    total = (counts + counts.mean() + 1.0).sum()
    assert (stands * (counts[sample] + counts.mean() + 1.0)).sum() == pytest.approx(
        total, rel=0.3 if size == 12 else 0.1
    )
    whole, ones = stranger.draw(counts, len(counts))
    assert list(whole) == list(range(len(counts)))
    assert (ones == 1.0).all()


@pytest.mark.parametrize(
    ("given", "drawn"), [({"negatives": 7}, "held"), ({"negatives": "all"}, "lacking"), ({"reweight": True}, "lacking")]
)
def test_what_a_stranger_lacks_weighs_what_training_draws_of_it(
    make: Make, given: dict[str, object], drawn: str
) -> None:
    rows = [(user, item, 5.0, 1) for user in range(30) for item in range(user + 1)]  # person 29 has everything
    data = make(rows)
    model = NeuMF(epochs=1, factors=2, hidden=(3,), **given).fit(data)
    terms = model._terms(model._known(data.profiles()))
    for user, held in enumerate(range(1, 31)):
        expected = 30 - held if drawn == "lacking" else 7 * held * (held < 30)
        assert terms.lacking[user].sum() == pytest.approx(expected, rel=1e-5)
        assert not terms.lacking[user, model.sample_ <= user].any()
        assert terms.heft[user] == held + expected


def test_an_item_of_the_sample_weighs_as_many_as_it_stands_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neumf, "_SAMPLE", 12)
    rows = [(user, item, 5.0, 1) for user in range(30) for item in range(user + 1)]
    data = make(rows)
    model = NeuMF(epochs=1, factors=2, hidden=(3,)).fit(data)
    assert len(np.unique(model.stands_)) > 2
    lacking = model._terms(model._known(data.profiles())).lacking
    for user in range(29):
        free = model.sample_ > user
        shares = lacking[user, free] / model.stands_[free]
        np.testing.assert_allclose(shares, shares[:1].repeat(len(shares)), rtol=1e-5)


@pytest.mark.parametrize("objective", ["binary_crossentropy", "squared_error"])
def test_a_strangers_scores_do_not_leap_when_an_event_goes(make: Make, objective: str) -> None:
    """Nor do they depend on the order of the people, or on who else is asked about."""
    data, _ = tastes(make, hold_out=True)
    model = NeuMF(objective=objective, factors=8, hidden=(16,), epochs=20, batch_size=64).fit(data)
    whole = data.profiles().strangers()
    one = whole.take(np.zeros(12, np.int64))
    fewer = model.score(one.where_events(~np.eye(12, dtype=bool).ravel()))
    scores = model.score(whole)
    assert np.abs(fewer - scores[0]).mean() < 0.3 * scores[0].std()
    np.testing.assert_allclose(model.score(whole.take(np.arange(39, -1, -1)))[::-1], scores, rtol=1e-4, atol=1e-4)


def objective_by_hand(model: NeuMF, data: Dataset) -> float:
    """- sum over every pair of [y log s + (1 - y) log(1 - s)] + embedding_reg (…) + reg (|W|^2 + |b|^2)."""
    y = model._known(data.profiles()).toarray().astype(np.float64)
    out = model._net.grid(model.users_, model.items_).astype(np.float64)
    s = 1 / (1 + np.exp(-out))
    cross = -(y * np.log(s) + (1 - y) * np.log(1 - s)).sum()
    squares = (model.users_**2).sum(axis=1)[:, None] + (model.items_**2).sum(axis=1)
    layers = sum(float((weight.astype(np.float64) ** 2).sum()) for weight in model.weights_)
    return float(cross + model._embedding_reg * squares.sum() + model.reg * layers)


def epoch_losses(model: NeuMF, data: Dataset, seed: int) -> float:
    """The sum that one epoch's batches put the objective at, the model left as it is."""
    keras = backend.keras(hg.Run())
    terms = Pointwise(model._known(data.profiles()), negatives=model.negatives, reweight=model.reweight)
    layers = model._layers(keras, 0, model._parts)
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    for variable, weight in zip(variables, model.weights_, strict=True):
        variable.assign(weight)
    loss = model._loss(keras.ops, layers, terms, model._parts)
    values = [
        float(loss({"user": model.users_[b["user"]], "item": model.items_[b["item"]]}, b))
        for b in terms.epoch(model.batch_size, np.random.default_rng(seed))
    ]
    return float(np.mean(values)) * terms.total


@pytest.mark.parametrize("target", ["positive", "scaled"])
def test_the_loss_of_all_pairs_is_the_objective_as_written(ratings: Dataset, target: str) -> None:
    model = NeuMF(factors=4, hidden=(6,), epochs=2, reg=0.7, embedding_reg=0.01, target=target, negatives="all")
    model.fit(ratings)
    model.weights_ = tuple(weight + np.float32(0.5) for weight in model.weights_)  # biases that are not near 0
    assert epoch_losses(model, ratings, 0) == pytest.approx(objective_by_hand(model, ratings), rel=1e-4)


@pytest.mark.parametrize("target", ["positive", "scaled"])
def test_the_reweighted_sampled_loss_equals_that_of_all_pairs_in_expectation(make: Make, target: str) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, float(rng.integers(1, 6)), 1) for u in range(12) for i in range(10) if rng.random() < 0.25]
    data = make(
        [*rows, *[(12, i, 5.0, 1) for i in range(10)], (13, 0, 1.0, 1)], positive=">=4"
    )  # one has all, one none
    shape = {"factors": 4, "hidden": (6,), "epochs": 3, "reg": 0.3, "embedding_reg": 0.02, "batch_size": 8}
    sampled = NeuMF(negatives=2, reweight=True, target=target, **shape).fit(data)
    losses = np.array([epoch_losses(sampled, data, seed) for seed in range(60)])
    expected, error = objective_by_hand(sampled, data), losses.std() / np.sqrt(len(losses))
    assert error < 0.02 * expected
    assert losses.mean() == pytest.approx(expected, abs=4 * error)
    plain = NeuMF(negatives=2, target=target, **shape).fit(data)
    assert abs(epoch_losses(plain, data, 0) - objective_by_hand(plain, data)) > 0.1 * expected


def tastes(make: Make, *, hold_out: bool) -> tuple[Dataset, np.ndarray]:
    """Two tastes, each liking 12 of 24 items; everyone has 9 of their 12 (and rates 3 of the others low)."""
    rng, rows, held = np.random.default_rng(1), [], []
    for user in range(40):
        own = rng.permutation(np.arange(user % 2, 24, 2))
        rows += [(user, int(item), 5.0, 1) for item in (own[:9] if hold_out else own)]
        rows += [(user, int(item), 1.0, 1) for item in rng.permutation(np.arange(1 - user % 2, 24, 2))[:3]]
        held.append(own[9:])
    return make(rows, positive=">=4"), np.array(held)


def test_planted_tastes_are_found_by_known_people_and_strangers(make: Make) -> None:
    data, held = tastes(make, hold_out=True)
    model = NeuMF(factors=8, hidden=(16,), epochs=60, learning_rate=0.01, batch_size=64).fit(data)
    for profiles in (data.profiles(), data.profiles().strangers()):
        scores = model.score(profiles)
        had = data.matrix().toarray() > 0
        scores[had] = -np.inf
        hits = [len(set(np.argsort(-scores[user])[:3]) & set(held[user])) for user in range(40)]
        assert np.mean(hits) > 2.7


def test_planted_ratings_are_found_by_known_people_and_strangers(make: Make) -> None:
    data, held = tastes(make, hold_out=True)
    light = {"embedding_reg": 1e-3, "dropout": 0.0, "epochs": 60, "learning_rate": 0.01, "batch_size": 64}
    model = NeuMF(objective="squared_error", factors=8, hidden=(16,), **light).fit(data)
    users, items = np.repeat(np.arange(40), 3).astype(np.int32), held.ravel().astype(np.int32)
    for profiles in (data.profiles(), data.profiles().strangers()):
        rated = model.rate(profiles, Pairs(users, items))
        assert rated.mean() > 4.5


def test_parameters_take_effect(ratings: Dataset) -> None:
    base = {"epochs": 4, "factors": 4, "hidden": (6,), "batch_size": 64, "learning_rate": 0.02}
    plain = NeuMF(**base).fit(ratings)
    norms = {
        "layers": lambda model: sum(float((weight**2).sum()) for weight in model.weights_),
        "embeddings": lambda model: float((model.users_**2).sum() + (model.items_**2).sum()),
    }
    reg, embedding = NeuMF(reg=300.0, **base).fit(ratings), NeuMF(embedding_reg=0.3, **base).fit(ratings)
    assert norms["layers"](reg) < 0.7 * norms["layers"](plain)
    assert norms["embeddings"](embedding) < 0.7 * norms["embeddings"](plain)
    for given in ({"negatives": 2}, {"negatives": "all"}, {"reweight": True}, {"target": "scaled"}, {"dropout": 0.5}):
        other = NeuMF(**{**base, **given}).fit(ratings)
        assert not np.allclose(other.score(ratings.profiles()), plain.score(ratings.profiles()), atol=1e-3), given


def test_the_task_follows_the_objective(ratings: Dataset, make: Make) -> None:
    assert NeuMF().task == "ranking"
    assert NeuMF(objective="squared_error").task == "rating"
    plays = make([("a", "x", 3.0, 1), ("b", "y", 1.0, 1)], explicit=False)
    with pytest.raises(DataError, match="NeuMF learns ratings and these data hold none"):
        NeuMF(objective="squared_error").fit(plays)
    with pytest.raises(DataError, match="NeuMF.target='scaled' needs ratings and these data hold none; use target="):
        NeuMF(target="scaled").fit(plays)
    with pytest.raises(ParameterError, match="NeuMF.negatives must be an integer >= 0 or 'all', got 'some'."):
        NeuMF(negatives="some")  # type: ignore[arg-type]


def test_ratings_of_who_and_what_was_never_seen(make: Make) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, float(rng.integers(1, 6)), 1) for u in range(20) for i in range(15) if rng.random() < 0.5]
    whole = make([*rows, (20, 0, 3.0, 1), (0, 15, 3.0, 1)])
    data = whole.take(np.arange(len(rows)))  # person 20 and item 15 are in the vocabulary alone
    model = NeuMF(objective="squared_error", epochs=20, learning_rate=0.01, batch_size=32).fit(data)
    mean = data.values.mean()
    never = Pairs(np.array([0, 20, 0], np.int32), np.array([15, 15, -1], np.int32))
    np.testing.assert_allclose(model.rate(data.profiles(), never), mean, rtol=1e-5)
    np.testing.assert_allclose(model.score(data.profiles())[:, 15], mean, rtol=1e-5)
    nobody = model.score(strangers(data.schema, [[]]))[0]
    np.testing.assert_allclose(model.score(data.profiles())[20], nobody, rtol=1e-5)
    assert abs(nobody[:15].mean() - mean) < 0.5


def test_rate_is_score(ratings: Dataset) -> None:
    model = NeuMF(objective="squared_error", epochs=2).fit(ratings)
    for profiles in (ratings.profiles(), ratings.profiles().strangers()):
        rows, codes = (part.astype(np.int32) for part in np.divmod(np.arange(40 * 30), 30))
        expected = model.score(profiles)
        np.testing.assert_allclose(model.rate(profiles, Pairs(rows, codes)), expected.ravel(), rtol=1e-4, atol=1e-4)


def test_people_without_a_positive_get_the_mean_person(make: Make) -> None:
    data = make([(0, 0, 5.0, 1), (0, 1, 5.0, 1), (1, 2, 5.0, 1), (2, 0, 1.0, 1)], positive=">=4")
    model = NeuMF(epochs=3).fit(data)
    np.testing.assert_allclose(model.users_[2], model.users_[:2].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        model.score(strangers(data.schema, [[(0, 1.0)]])), model.score(data.profiles())[2:], rtol=1e-4
    )


def test_training_that_diverges_says_so_and_leaves_nothing(ratings: Dataset) -> None:
    model = NeuMF(objective="squared_error", learning_rate=1e18, epochs=3)
    with pytest.raises(DivergedError, match="lower learning_rate"):
        model.fit(ratings)
    assert not hasattr(model, "users_")


def test_pretrained_branches_begin_at_their_mean(ratings: Dataset) -> None:
    keras, run = backend.keras(Run()), Run(seed=4)
    model = NeuMF(factors=5, hidden=(7, 4), pretrain=2, learning_rate=0.02)
    terms = Pointwise(ratings.positives(), negatives=3)
    outputs = []
    users, items = np.arange(4), np.arange(9)
    for part in model._parts:
        tables, weights = model._alone(keras, ratings, terms, part, run, run.rng(part == "tower"))
        if part == "tower":  # as a network of both whose factors are 0
            zeros = [np.zeros((len(table), 5), np.float32) for table in tables.values()]
            both = [np.concatenate([z, t], axis=1) for z, t in zip(zeros, tables.values(), strict=True)]
            weights[-2] = np.concatenate([np.zeros((5, 1), np.float32), weights[-2]])
        else:
            both = list(tables.values())
        outputs.append(net.Net(5, tuple(weights)).grid(both[0][users], both[1][items]))
        assert np.ptp(outputs[-1]) > 0.1  # it has learned something
    alone = iter([model._alone(keras, ratings, terms, p, run, run.rng(p == "tower")) for p in model._parts])
    model._alone = lambda *_: next(alone)  # type: ignore[method-assign]
    tables, layers = model._joined(keras, ratings, terms, model._parts, run, run.rng(9))
    weights = tuple(variable.numpy() for layer in layers for variable in layer.trainable_variables)
    joined = net.Net(5, weights).grid(tables["users"][users], tables["items"][items])
    np.testing.assert_allclose(joined, np.mean(outputs, axis=0), rtol=1e-4, atol=1e-5)


def test_pretraining_takes_part_in_a_fit(ratings: Dataset) -> None:
    ratings = ratings.with_positive(">=3.5")  # two tastes
    given = {"factors": 6, "hidden": (8,), "epochs": 1, "learning_rate": 0.02, "batch_size": 16}
    plain, long = NeuMF(**given).fit(ratings), NeuMF(pretrain=4, **given).fit(ratings)
    truth = ratings.positives().toarray()
    scores = [model.score(ratings.profiles()) for model in (plain, long)]
    gaps = [score[truth > 0].mean() - score[truth == 0].mean() for score in scores]
    assert gaps[1] > gaps[0] + 0.1  # further on than one epoch takes it


@pytest.mark.parametrize("name", ["items_", "basis_", "stands_"])
def test_a_damaged_file_is_refused(ratings: Dataset, tmp_path: Path, name: str) -> None:
    model = NeuMF(epochs=1, factors=4).fit(ratings)
    setattr(model, name, getattr(model, name)[:-1])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ArtifactError):
        hg.open(tmp_path / "m.safetensors")
