"""The networks written by hand in JAX, as one would for speed: one jitted step on donated state, Adam over everything.

`{"rows": true}` among the settings of neumf: Adam on the rows of the batch alone, the distinct ones found in NumPy, for
large tables. It leaves rows alone that a batch does not hold, which is other mathematics than Adam's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.epochs import Draws, Lesson, Mark, Positives, graph, histories, serve, windows
from bench.rivals.handwritten_torch import Epoch, batches

PACKAGES: tuple[str, ...] = ()  # the environment of the harness itself


def train(lesson: Lesson, given: Positives, mark: Mark) -> None:
    """Epochs of the network of that name."""
    network = {"neumf": neumf, "lightgcn": lightgcn, "multvae": multvae, "sasrec": sasrec}[lesson.network]
    epoch = network(lesson, given, np.random.default_rng(lesson.seed))
    while mark(epoch()):
        pass


def adam(state: Any, grads: Any, rate: float, step: Any) -> Any:
    """(value, m, v) of every array after a step."""
    import jax
    import jax.numpy as jnp

    length = rate * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)

    def one(value: Any, m: Any, v: Any, grad: Any) -> Any:
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad * grad
        return value - length * m / (jnp.sqrt(v) + 1e-7), m, v

    leaves, tree = jax.tree.flatten(state[0])
    parts = [leaves, *(jax.tree.leaves(each) for each in state[1:])]
    moved = [one(*each, grad) for *each, grad in zip(*parts, jax.tree.leaves(grads), strict=True)]
    return tuple(jax.tree.unflatten(tree, each) for each in zip(*moved, strict=True))


def fresh(values: Any) -> Any:
    """(values, m, v)."""
    import jax
    import jax.numpy as jnp

    values = jax.tree.map(jnp.asarray, values)
    return values, jax.tree.map(jnp.zeros_like, values), jax.tree.map(jnp.zeros_like, values)


def descend(loss: Callable[..., Any], rate: float) -> Callable[..., Any]:
    """A jitted step: (state, step, *batch) -> (state, loss)."""
    import jax

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, number: Any, *batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(state[0], *batch)
        return adam(state, grads, rate, number), value

    return step


def neumf(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """NeuMF (He et al. 2017): binary cross-entropy over each positive and the items drawn for it."""
    import jax
    import jax.numpy as jnp

    said = lesson.settings
    factors, size, rate = said["factors"], said["batch"], said["learning_rate"]
    widths = [2 * factors, *said["hidden"]]
    shapes = [*itertools.pairwise(widths), (factors + widths[-1], 1)]
    layers = [(rng.normal(0, (2 / a) ** 0.5, (a, b)).astype(np.float32), np.zeros(b, np.float32)) for a, b in shapes]
    tables = [rng.normal(0, 0.03, (n, 2 * factors)).astype(np.float32) for n in (given.n_users, given.n_items)]
    draws, done = Draws(given, rng), 0

    def loss(values: Any, who: Any, what: Any) -> Any:
        users, items, net = values
        u, i = users[who][:, None], items[what]  # (B, 1, 2F), (B, C, 2F)
        first, bias = net[0]
        hidden = u[..., factors:] @ first[:factors] + i[..., factors:] @ first[factors:] + bias  # a person's half once
        for kernel, bias in net[1:-1]:
            hidden = jax.nn.relu(hidden) @ kernel + bias
        joined = jnp.concatenate([u[..., :factors] * i[..., :factors], jax.nn.relu(hidden)], axis=-1)
        out = (joined @ net[-1][0] + net[-1][1])[..., 0]  # (B, C)
        return jnp.mean(jax.nn.softplus(out)) - jnp.mean(out[:, 0]) / out.shape[1]

    by_rows = bool(said.get("rows"))
    whole = descend(loss, rate)
    state = fresh((*tables, layers)) if not by_rows else None
    held = _Rows(loss, rate, tables, layers) if by_rows else None

    def epoch() -> int:
        nonlocal state, done
        samples, last = 0, None
        for at in batches(len(given.users), size, lesson.steps, rng):
            who, done = given.users[at], done + 1
            what = np.concatenate([given.items[at][:, None], draws.draw(who, said["negatives"])], axis=1)
            if held is None:
                state, last = whole(state, np.float32(done), who, what)
            else:
                last = held.step(np.float32(done), who, what)
            samples += what.size
        jax.block_until_ready(last)
        return samples

    return epoch


class _Rows:
    """Tables whose rows in a batch alone are gathered, stepped and scattered back into donated buffers."""

    def __init__(self, loss: Callable[..., Any], rate: float, tables: list[Any], layers: Any) -> None:
        import jax

        self._tables = [fresh(table) for table in tables]
        self._layers = fresh(layers)
        self._spare = 1 << 30  # no row: what is scattered there is dropped
        self._gather = jax.jit(lambda table, ids: tuple(part[ids] for part in table))

        def scatter(table: Any, ids: Any, rows: Any) -> Any:
            return tuple(part.at[ids].set(row) for part, row in zip(table, rows, strict=True))

        def step(users: Any, items: Any, layers: Any, number: Any, who: Any, what: Any) -> Any:
            values = users[0], items[0], layers[0]
            found, grads = jax.value_and_grad(loss)(values, who, what)
            state = tuple(zip(users, items, layers, strict=True))
            value, m, v = adam(state, grads, rate, number)
            return *zip(value, m, v, strict=True), found

        self._scatter, self._step = jax.jit(scatter, donate_argnums=0), jax.jit(step, donate_argnums=(0, 1, 2))

    def step(self, number: Any, who: Any, what: Any) -> Any:
        """One batch; the loss."""
        ids, inverse = zip(*(np.unique(each, return_inverse=True) for each in (who, what)), strict=True)
        padded = [np.full(size, self._spare, np.int32) for size in (who.size, what.size)]
        for each, found in zip(padded, ids, strict=True):
            each[: len(found)] = found
        rows = [self._gather(table, each) for table, each in zip(self._tables, padded, strict=True)]
        place = inverse[0].astype(np.int32), inverse[1].astype(np.int32).reshape(what.shape)
        *rows, self._layers, loss = self._step(*rows, self._layers, number, *place)
        parts = zip(self._tables, padded, rows, strict=True)
        self._tables = [self._scatter(*each) for each in parts]
        return loss


def lightgcn(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """LightGCN (He et al. 2020): BPR; a product with the graph by a sum over sorted segments."""
    import jax
    import jax.numpy as jnp

    said, n_nodes = lesson.settings, given.n_users + given.n_items
    rows, columns, weights = (jnp.asarray(each) for each in graph(given))
    rows, columns, n_layers, reg = rows.astype(jnp.int32), columns.astype(jnp.int32), said["layers"], said["reg"]

    def product(vectors: Any) -> Any:
        parts = vectors[columns] * weights[:, None]
        return jax.ops.segment_sum(parts, rows, num_segments=n_nodes, indices_are_sorted=True)

    spread = jax.custom_vjp(product)  # the matrix is its own transpose
    spread.defvjp(lambda vectors: (product(vectors), None), lambda _, grad: (product(grad),))

    def loss(vectors: Any, nodes: Any) -> Any:
        layer = total = vectors
        for _ in range(n_layers):
            layer = spread(layer)
            total = total + layer
        u, i, j = total[nodes] / (n_layers + 1)  # (B, F) each
        squares = jnp.sum(vectors[nodes] ** 2)
        return jnp.mean(jax.nn.softplus(jnp.sum(u * (j - i), axis=1))) + reg / 2 * squares / nodes.shape[1]

    step = descend(loss, said["learning_rate"])
    state = fresh(rng.normal(0, 0.1, (n_nodes, said["factors"])).astype(np.float32))
    draws, done = Draws(given, rng), 0

    def epoch() -> int:
        nonlocal state, done
        samples, last = 0, None
        for at in batches(len(given.users), said["batch"], lesson.steps, rng):
            who, done = given.users[at], done + 1
            nodes = np.stack([who, given.items[at] + given.n_users, draws.draw(who, 1)[:, 0] + given.n_users])
            state, last = step(state, np.float32(done), nodes.astype(np.int32))
            samples += nodes.shape[1]
        jax.block_until_ready(last)
        return samples

    return epoch


def multvae(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """Mult-VAE (Liang et al. 2018): multinomial likelihood of dense histories, the weight of the KL at its highest."""
    import jax
    import jax.numpy as jnp

    said, latent, have = lesson.settings, lesson.settings["latent"], histories(given)
    inward = itertools.pairwise([given.n_items, *said["hidden"], 2 * latent])
    outward = itertools.pairwise([latent, *said["hidden"][::-1], given.n_items])
    encoder, decoder = (
        [(rng.normal(0, (1 / a) ** 0.5, (a, b)).astype(np.float32), np.zeros(b, np.float32)) for a, b in shapes]
        for shapes in (inward, outward)
    )
    keep = 1.0 - said["dropout"]

    def through(layers: Any, x: Any) -> Any:
        for kernel, bias in layers[:-1]:
            x = jnp.tanh(x @ kernel + bias)
        return x @ layers[-1][0] + layers[-1][1]

    def loss(values: Any, x: Any, key: Any) -> Any:
        one, two = jax.random.split(key)
        shown = x * jax.random.bernoulli(one, keep, x.shape) / keep / jnp.linalg.norm(x, axis=1, keepdims=True)
        code = through(values[0], shown)
        mean, log_variance = code[:, :latent], code[:, latent:]
        logits = through(values[1], mean + jnp.exp(log_variance / 2) * jax.random.normal(two, mean.shape))
        divergence = 0.5 * jnp.sum(jnp.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
        return jnp.mean(0.2 * divergence - jnp.sum(x * jax.nn.log_softmax(logits), axis=1))

    step, state = descend(loss, said["learning_rate"]), fresh((encoder, decoder))
    key, done = jax.random.key(lesson.seed, impl="unsafe_rbg"), 0

    def epoch() -> int:
        nonlocal state, done
        samples, last = 0, None
        for at in batches(given.n_users, said["batch"], lesson.steps, rng):
            done += 1
            state, last = step(state, np.float32(done), have(at), jax.random.fold_in(key, done))
            samples += len(at)
        jax.block_until_ready(last)
        return samples

    return epoch


def sasrec(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """SASRec (Kang and McAuley 2018), norms first; softmax over all items at each place of padded rows."""
    import jax
    import jax.numpy as jnp

    said = lesson.settings
    factors, length, heads, drop = said["factors"], said["length"], said["heads"], said["dropout"]
    inner, keep, each = said["inner"], 1.0 - drop, factors // heads
    shapes = [(factors, factors)] * 4 + [(factors, inner), (inner, factors)]

    def norm_of() -> tuple[Any, Any]:
        return np.ones(factors, np.float32), np.zeros(factors, np.float32)

    blocks = [
        ([rng.normal(0, (1 / a) ** 0.5, (a, b)).astype(np.float32) for a, b in shapes], norm_of(), norm_of())
        for _ in range(said["blocks"])
    ]
    tables = [rng.normal(0, 0.02, (n, factors)).astype(np.float32) for n in (given.n_items, length)]
    read, target = windows(given, length)
    earlier = jnp.tril(jnp.ones((length, length), bool))

    def normed(x: Any, scale: Any) -> Any:
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-6) * scale[0] + scale[1]

    def loss(values: Any, row: Any, wanted: Any, key: Any) -> Any:
        (items, places), blocks, scale = values
        keys = iter(jax.random.split(key, 1 + 4 * len(blocks)))

        def hidden(x: Any) -> Any:
            return x * jax.random.bernoulli(next(keys), keep, x.shape) / keep

        def apart(x: Any) -> Any:
            return x.reshape(*x.shape[:2], heads, each)

        x = hidden(jnp.where(row[..., None] >= 0, items[row] * factors**0.5, 0.0) + places)  # (R, L, D)
        for (q, k, v, o, up, down), first, second in blocks:
            y = normed(x, first)
            scores = jnp.einsum("rqhd,rkhd->rhqk", apart(y @ q), apart(y @ k)) / each**0.5
            share = hidden(jax.nn.softmax(jnp.where(earlier, scores, -1e9), axis=-1))
            x = x + hidden(jnp.einsum("rhqk,rkhd->rqhd", share, apart(y @ v)).reshape(x.shape) @ o)
            x = x + hidden(hidden(jax.nn.relu(normed(x, second) @ up)) @ down)
        out, there, wanted = normed(x, scale).reshape(-1, factors), wanted.ravel() >= 0, wanted.ravel()
        logits = out @ items.T  # (R L, I)
        own = jnp.take_along_axis(logits, jnp.maximum(wanted, 0)[:, None], axis=1)[:, 0]
        return jnp.sum(jnp.where(there, jax.nn.logsumexp(logits, axis=1) - own, 0.0)) / jnp.sum(there)

    step, state = descend(loss, said["learning_rate"]), fresh((tables, blocks, norm_of()))
    key, done, rows = jax.random.key(lesson.seed, impl="unsafe_rbg"), 0, max(1, said["batch"] // length)

    def epoch() -> int:
        nonlocal state, done
        samples, last = 0, None
        for at in batches(len(read), rows, lesson.steps, rng):
            done += 1
            state, last = step(state, np.float32(done), read[at], target[at], jax.random.fold_in(key, done))
            samples += int((target[at] >= 0).sum())
        jax.block_until_ready(last)
        return samples

    return epoch


if __name__ == "__main__":
    serve(train)
