"""Re-ranking at the time of asking: any model's list, in the light of what else a list is for.

    model.recommend([1], rerank=hg.rerank.MMR(trade=0.3))        # or hg.rerank.named("mmr:trade=0.3")

mmr         an item like one above it counts for less            calibrated   the list has the shares of the history
xquad       each of a person's tastes is served                  quotas       at least, at most so much of the list

A re-ranker sees the first `candidates` of the model's own list; with trade 0 it gives that list. The scores stay the
model's.
"""

from __future__ import annotations

from honeyguide import params
from honeyguide.errors import ParameterError
from honeyguide.rerank.calibrated import Calibrated
from honeyguide.rerank.mmr import MMR
from honeyguide.rerank.quotas import Quotas
from honeyguide.rerank.reranker import Reranker
from honeyguide.rerank.xquad import XQuAD

__all__ = ["MMR", "Calibrated", "Quotas", "Reranker", "XQuAD", "named", "names"]

_CLASSES: dict[str, type[Reranker]] = {"mmr": MMR, "calibrated": Calibrated, "xquad": XQuAD, "quotas": Quotas}


def names() -> dict[str, type[Reranker]]:
    """The re-rankers by name."""
    return dict(_CLASSES)


def named(text: str) -> Reranker:
    """The re-ranker of a text such as "mmr:trade=0.3:of=genres"; ParameterError for one that does not exist."""
    name, *pairs = text.strip().split(":")
    plain = name.strip().lower().replace("_", "").replace("-", "")
    if plain not in _CLASSES:
        raise ParameterError(f"there is no re-ranker {name!r}; there are: {', '.join(_CLASSES)}.")
    split = [pair.partition("=") for pair in pairs]
    if not all(equals for _, equals, _ in split):
        raise ParameterError(f"a re-ranker's parameters must be :name=value, such as mmr:trade=0.3, got {text!r}.")
    cls = _CLASSES[plain]
    return cls(**params.pick(cls, {key.strip(): value.strip() for key, _, value in split}))
