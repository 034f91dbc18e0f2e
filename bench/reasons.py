"""Three explanations in full: of a linear model, of one of attributes, and of a deep one, for the docs.

    python bench/reasons.py

Of the first film in the list of person 15 of movielens-small, ratings of 4 and 5 being positive, models at their
defaults: each reason with what it adds to the score, its evidence with what that adds, and what the reasons leave out.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import honeyguide as hg
from honeyguide.errors import HoneyguideWarning
from honeyguide.explain import Evidence, Explanation

MODELS, PERSON = ("ease", "attributes", "sasrec"), 15


def lines(name: str, found: Explanation) -> Iterator[str]:
    """All that an explanation says."""
    yield f"{name}: {found.title}, place {found.place}, score {found.score:.4f}, {found.method}"
    for reason in found.reasons:
        yield f"  {reason.kind} {reason.weight:+.4f}  {reason.sentence}"
        yield from (f"      {_told(each)}" for each in reason.evidence)
    yield f"  what is left {found.rest:+.4f}"
    if found.without:
        yield f"  {found.without_sentence}"
        yield from (f"      {_told(each)}" for each in found.without)


def _told(each: Evidence) -> str:
    value = "" if each.value is None else f"  {each.value:g}"
    return f"{each.item}  {each.title}{value}  {each.weight:+.4f}"


def main() -> None:
    """Print them in English, and their sentences in Chinese."""
    warnings.simplefilter("ignore", HoneyguideWarning)
    data = hg.load("movielens-small", positive=">=4")
    for name in MODELS:
        model = hg.model(name).fit(data, run=hg.Run(threads=1, progress=False))
        print("\n".join(lines(name, hg.explain(model, user=PERSON, k=1)[0])))
        print(hg.explain(model, user=PERSON, k=1, language="zh")[0], end="\n\n")


if __name__ == "__main__":
    main()
