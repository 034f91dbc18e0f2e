"""The results of bench/tuned_lists.py: two sides compared person by person, and all of them as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.exchange import AnyArray
from honeyguide.evaluate import resample

_RESAMPLES, _FLIPS = 10_000, 9_999
_CHOSEN = {
    "validation": "the rivals' best on validation",
    "test": "the rivals' best on test",
    "ours": "on validation our best deep model and the best of our others",
    "first": "two stages and the better of the first",
}


def duel(ours: AnyArray, theirs: AnyArray) -> dict[str, float]:
    """The mean difference of people's values (P,), its 95 % bootstrap interval over people, p of exchanged signs."""
    both = np.stack([ours, theirs], axis=1)
    means = resample.bootstrap(both, np.ones_like(both), _RESAMPLES, seed=0)  # (R, 2)
    low, high = resample.interval(means[:, :1] - means[:, 1:])
    p = resample.sign_flip((ours - theirs)[:, None], _FLIPS, seed=0)
    return {
        "ours": float(ours.mean()), "rival": float(theirs.mean()), "difference": float((ours - theirs).mean()),
        "low": float(low[0]), "high": float(high[0]), "p": float(p[0]),
    }  # fmt: skip


def markdown(result: Mapping[str, Any]) -> str:
    """A title, a row a side in the order of validation, our sides in bold, and what the best two differ by."""
    held = result["protocol"]
    own = sorted({side["limits"]["trials"] for side in result["sides"].values() if "limits" in side})
    fewer = f", {' to '.join(str(each) for each in sorted({own[0], own[-1]}))} of a deep model" if own else ""
    title = (
        f"**{held['data']}**, positive: {held['positive']}; {held['asked']:,} people asked; "
        f"{result['date']}, {held['limits']['trials']} trials a side{fewer}, {held['threads']} threads"
    )
    rows = [
        "| library, model | trials | validation ndcg@10 | ndcg@10 | recall@10 | fit s | lists s |",
        "|" + "---|" * 7,
    ]
    rows += [_row(name, side) for name, side in result["sides"].items()]
    return "\n\n".join([title, "\n".join(rows), *(_sentence(each) for each in result["duels"])])


def _row(name: str, side: Mapping[str, Any]) -> str:
    shown = f"**{name}**" if name.startswith("honeyguide ") else name
    if "failure" in side:
        return f"| {shown} | 0 | {side['failure']} | | | | |"
    lost = [f"{side[key]} {key.replace('_', ' ')}" for key in ("over_time", "failed") if side[key]]
    trials = ", ".join([str(side["trials"]), *lost])
    values = [side["validation"], *side["test"].values()]
    cells = [f"{value:.4f}".lstrip("0") for value in values]
    times = [f"{side[key]:.3g}" for key in ("fit_seconds", "lists_seconds")]
    return f"| {' | '.join([shown, trials, *cells, *times])} |"


def _sentence(each: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {values['difference']:+.4f} [{values['low']:+.4f}, {values['high']:+.4f}], p {values['p']:.2g}"
        for name, values in each.items()
        if isinstance(values, Mapping)
    ]
    return f"{each['ours']} − {each['rival']} ({_CHOSEN[each['rival_chosen_by']]}): {'; '.join(parts)}."
