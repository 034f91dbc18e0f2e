"""The networks written by hand in PyTorch, as one would for speed: batches at once, fused Adam, no framework around.

`{"rows": true}` among the settings of neumf: sparse gradients and SparseAdam for the tables, for large ones. It leaves
rows alone that a batch does not hold, which is other mathematics than Adam's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from bench.epochs import Draws, Lesson, Mark, Positives, graph, histories, serve, windows
from bench.rivals.recbole import PACKAGES as PACKAGES  # the same environment, and the same PyTorch

Epoch: TypeAlias = Callable[[], int]  # trains one, and says how many samples it had


def train(lesson: Lesson, given: Positives, mark: Mark) -> None:
    """Epochs of the network of that name."""
    import torch

    torch.set_num_threads(lesson.threads)
    torch.manual_seed(lesson.seed)
    network = {"neumf": neumf, "lightgcn": lightgcn, "multvae": multvae, "sasrec": sasrec}[lesson.network]
    epoch = network(lesson, given, np.random.default_rng(lesson.seed))
    while mark(epoch()):
        pass


def batches(count: int, size: int, steps: int | None, rng: np.random.Generator) -> Iterator[Any]:
    """Rows of each batch of a shuffled epoch, whole batches alone."""
    order = rng.permutation(count)
    for at in range(min(count // size, steps or count)):
        yield order[at * size : (at + 1) * size]


def neumf(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """NeuMF (He et al. 2017): binary cross-entropy over each positive and the items drawn for it."""
    import torch
    from torch import nn

    said = lesson.settings
    factors, size, rows = said["factors"], said["batch"], bool(said.get("rows"))
    users, items = (nn.Embedding(n, 2 * factors, sparse=rows) for n in (given.n_users, given.n_items))
    for table in (users, items):
        nn.init.normal_(table.weight, std=0.03)
    widths = [2 * factors, *said["hidden"]]
    tower = nn.Sequential(*(m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())))
    out = nn.Linear(factors + widths[-1], 1)
    layers, tables = [*tower.parameters(), *out.parameters()], [users.weight, items.weight]
    rate = said["learning_rate"]
    optimizers: list[Any] = [torch.optim.Adam(layers if rows else layers + tables, lr=rate, fused=True)]
    if rows:
        optimizers.append(torch.optim.SparseAdam(tables, lr=rate))
    draws, loss = Draws(given, rng), nn.BCEWithLogitsLoss()
    target = torch.zeros(size, 1 + said["negatives"])
    target[:, 0] = 1.0

    def epoch() -> int:
        samples = 0
        for at in batches(len(given.users), size, lesson.steps, rng):
            who = given.users[at]
            what = np.concatenate([given.items[at][:, None], draws.draw(who, said["negatives"])], axis=1)
            u, i = users(torch.from_numpy(who))[:, None].expand(-1, what.shape[1], -1), items(torch.from_numpy(what))
            hidden = tower(torch.cat([u[..., factors:], i[..., factors:]], dim=-1))
            scores = out(torch.cat([u[..., :factors] * i[..., :factors], hidden], dim=-1))[..., 0]
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss(scores, target).backward()
            for optimizer in optimizers:
                optimizer.step()
            samples += what.size
        return samples

    return epoch


def lightgcn(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """LightGCN (He et al. 2020): BPR; the graph as a CSR matrix, which is its own transpose on the way back."""
    import torch

    said, n_nodes = lesson.settings, given.n_users + given.n_items
    rows, columns, weights = graph(given)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_nodes))])
    matrix = torch.sparse_csr_tensor(*(torch.from_numpy(each) for each in (indptr, columns, weights)), (n_nodes,) * 2)

    class Spread(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, vectors: Any) -> Any:
            return matrix @ vectors

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return matrix @ grad

    vectors = torch.nn.Parameter(torch.randn(n_nodes, said["factors"]) * 0.1)
    optimizer = torch.optim.Adam([vectors], lr=said["learning_rate"], fused=True)
    draws, size, n_layers = Draws(given, rng), said["batch"], said["layers"]

    def epoch() -> int:
        samples = 0
        for at in batches(len(given.users), size, lesson.steps, rng):
            who = given.users[at]
            nodes = np.stack([who, given.items[at] + given.n_users, draws.draw(who, 1)[:, 0] + given.n_users])  # (3, B)
            place = torch.from_numpy(nodes.astype(np.int64))
            layer = total = vectors
            for _ in range(n_layers):
                layer = Spread.apply(layer)
                total = total + layer
            u, i, j = (total / (n_layers + 1))[place]
            own = vectors[place]
            loss = torch.nn.functional.softplus((u * (j - i)).sum(dim=1)).mean()
            loss = loss + said["reg"] / 2 * own.square().sum() / size
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            samples += size
        return samples

    return epoch


def multvae(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """Mult-VAE (Liang et al. 2018): multinomial likelihood of dense histories, the weight of the KL at its highest."""
    import torch
    from torch import nn

    said, latent, have = lesson.settings, lesson.settings["latent"], histories(given)
    widths = [given.n_items, *said["hidden"]]
    inward = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.Tanh())]
    outward = [m for a, b in itertools.pairwise([latent, *widths[:0:-1]]) for m in (nn.Linear(a, b), nn.Tanh())]
    encoder = nn.Sequential(nn.Dropout(said["dropout"]), *inward, nn.Linear(widths[-1], 2 * latent))
    decoder = nn.Sequential(*outward, nn.Linear(widths[1], given.n_items))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=said["learning_rate"], fused=True)

    def epoch() -> int:
        samples = 0
        for at in batches(given.n_users, said["batch"], lesson.steps, rng):
            x = torch.from_numpy(have(at))
            mean, log_variance = encoder(x / x.norm(dim=1, keepdim=True)).chunk(2, dim=1)
            logits = decoder(mean + torch.exp(log_variance / 2) * torch.randn_like(mean))
            divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1)
            loss = (0.2 * divergence - (x * logits.log_softmax(dim=1)).sum(dim=1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            samples += len(at)
        return samples

    return epoch


def sasrec(lesson: Lesson, given: Positives, rng: np.random.Generator) -> Epoch:
    """SASRec (Kang and McAuley 2018): PyTorch's encoder layers, norms first; softmax over all items at each place."""
    import torch
    from torch import nn

    said = lesson.settings
    factors, length, drop = said["factors"], said["length"], said["dropout"]
    items, places = nn.Embedding(given.n_items + 1, factors, padding_idx=0), nn.Embedding(length, factors)
    for table in (items, places):
        nn.init.normal_(table.weight, std=0.02)
    blocks = nn.ModuleList(
        nn.TransformerEncoderLayer(
            factors, said["heads"], said["inner"], dropout=drop, batch_first=True, norm_first=True, bias=False
        )
        for _ in range(said["blocks"])
    )
    norm, dropout = nn.LayerNorm(factors), nn.Dropout(drop)
    parameters = [p for part in (items, places, blocks, norm) for p in part.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=said["learning_rate"], fused=True)
    mask = nn.Transformer.generate_square_subsequent_mask(length)
    read, target = windows(given, length)
    rows = max(1, said["batch"] // length)

    def epoch() -> int:
        samples = 0
        for at in batches(len(read), rows, lesson.steps, rng):
            wanted = torch.from_numpy(target[at].astype(np.int64)).flatten()
            x = dropout(items(torch.from_numpy(read[at] + 1)) * factors**0.5 + places.weight)
            for block in blocks:
                x = block(x, src_mask=mask, is_causal=True)
            logits = norm(x).flatten(0, 1) @ items.weight[1:].T
            loss = nn.functional.cross_entropy(logits, wanted, ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            samples += int((target[at] >= 0).sum())
        return samples

    return epoch


if __name__ == "__main__":
    serve(train)
