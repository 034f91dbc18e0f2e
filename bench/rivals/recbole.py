"""RecBole (recbole.io, MIT): the training of its deep models, epoch by epoch, by its own loader and trainer.

An epoch is `Trainer._train_epoch`: sampling of negatives, batches, forward, backward and its dense Adam, no evaluation.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.epochs import Lesson, Mark, Positives, serve

PACKAGES = ("recbole==1.2.1", "torch==2.13.0", "numpy==1.26.4", "scipy==1.11.4", "pandas==2.2.3")
MODELS = {"neumf": "NeuMF", "lightgcn": "LightGCN", "multvae": "MultiVAE", "sasrec": "SASRec"}


def train(lesson: Lesson, given: Positives, mark: Mark) -> None:
    """Epochs of the model of that name."""
    import torch
    from recbole.config import Config  # type: ignore[import-not-found]
    from recbole.data import create_dataset, data_preparation  # type: ignore[import-not-found]
    from recbole.utils import get_model, get_trainer, init_seed  # type: ignore[import-not-found]

    torch.set_num_threads(lesson.threads)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where it leaves its logs
        _write(Path(folder) / "events", given)
        settings = {**_settings(lesson), "data_path": folder, "seed": lesson.seed}
        config = Config(model=MODELS[lesson.network], dataset="events", config_dict=settings)
        init_seed(config["seed"], config["reproducibility"])
        data = create_dataset(config)
        batches = data_preparation(config, data)[0]
        model = get_model(config["model"])(config, batches.dataset)
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        some = batches if lesson.steps is None else _Some(batches, lesson.steps)
        sequences = len(batches.dataset)
        samples, epoch = _samples(lesson, given, sequences, len(some)), 0
        while True:
            trainer._train_epoch(some, epoch, show_progress=False)
            epoch += 1
            if not mark(samples):
                break


def _settings(lesson: Lesson) -> dict[str, Any]:
    """RecBole's names for the settings; whatever is not in a lesson is its default."""
    said: Mapping[str, Any] = lesson.settings
    common: dict[str, Any] = {
        "USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp",
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "use_gpu": False, "show_progress": False,
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": "user", "mode": "full"},
        "learning_rate": said["learning_rate"], "state": "WARNING", "train_batch_size": said["batch"],
    }  # fmt: skip
    if lesson.network == "neumf":
        drawn = said["negatives"]
        return common | {
            "train_batch_size": said["batch"] * (1 + drawn), "mf_embedding_size": said["factors"],
            "mlp_embedding_size": said["factors"], "mlp_hidden_size": list(said["hidden"]), "dropout_prob": 0.0,
            "train_neg_sample_args": {"distribution": "uniform", "sample_num": drawn, "dynamic": False},
        }  # fmt: skip
    if lesson.network == "lightgcn":
        return common | {
            "embedding_size": said["factors"], "n_layers": said["layers"], "reg_weight": said["reg"],
            "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1, "dynamic": False},
        }  # fmt: skip
    if lesson.network == "multvae":
        return common | {
            "mlp_hidden_size": list(said["hidden"]), "latent_dimension": 2 * said["latent"],
            "dropout_prob": said["dropout"], "train_neg_sample_args": None,
        }  # fmt: skip
    in_order = {"eval_args": common["eval_args"] | {"order": "TO"}}
    return common | in_order | {
        "MAX_ITEM_LIST_LENGTH": said["length"], "hidden_size": said["factors"], "inner_size": said["inner"],
        "n_layers": said["blocks"], "n_heads": said["heads"], "loss_type": "CE", "train_neg_sample_args": None,
        "hidden_act": "relu", "hidden_dropout_prob": said["dropout"], "attn_dropout_prob": said["dropout"],
    }  # fmt: skip


def _samples(lesson: Lesson, given: Positives, sequences: int, steps: int) -> int:
    """What an epoch's speed counts: pairs, positives, people, or sequences, of which it makes one for every event."""
    batch = lesson.settings["batch"]
    if lesson.network == "neumf":
        return min(len(given.users), steps * batch) * (1 + lesson.settings["negatives"])
    if lesson.network == "multvae":
        return given.n_users
    return min(sequences if lesson.network == "sasrec" else len(given.users), steps * batch)


class _Some:
    """The first batches of a loader."""

    def __init__(self, batches: Any, steps: int) -> None:
        self._batches, self._steps = batches, min(steps, len(batches))

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self._batches), self._steps)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)


def _write(folder: Path, given: Positives) -> None:
    """RecBole's atomic file of the interactions."""
    folder.mkdir()
    with open(folder / "events.inter", "w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        pairs = zip(given.users.tolist(), given.items.tolist(), strict=True)
        file.writelines(f"{user}\t{item}\t{at}\n" for at, (user, item) in enumerate(pairs))


if __name__ == "__main__":
    serve(train)
