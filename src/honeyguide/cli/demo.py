"""honeyguide demo: the whole tour on real data, under a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from honeyguide.cli.options import How, takes
from honeyguide.cli.output import Json, emit, say

if TYPE_CHECKING:
    import polars as pl

    from honeyguide.data.dataset import Dataset, Schema
    from honeyguide.explain import Explanation
    from honeyguide.models.base import Recommender
    from honeyguide.run import Run
    from honeyguide.service import Comparison

_METRIC = "ndcg@10"
_PERSON = 15
_TASTE = ("Alien=5", "Blade Runner=5", "Terminator, The=4.5", "Matrix, The=4.5", "Notting Hill=1.5")


@takes(How)
def command(
    how: How,
    out: Annotated[Path, typer.Option(help="Where the best model is saved.")] = Path("demo.safetensors"),
    json: Json = False,
) -> None:
    """The whole tour on the MovieLens ratings of the package: check, split, train, compare, recommend, save."""
    from honeyguide.files import check_out

    check_out(out, (".safetensors",))
    with redirect_stdout(sys.stderr) if json else nullcontext():  # the tour is talk; for machines, its outcome
        outcome = _tour(how.run(), out)
    if json:
        emit(outcome)


def _tour(run: Run, out: Path) -> dict[str, Any]:
    """All of it; what came out."""
    import honeyguide as hg
    from honeyguide import service

    begun = time.perf_counter()
    _title("1. Data: MovieLens, the small set in the package; liked means a rating of 4 and more")
    data = hg.load("movielens-small", positive=">=4")
    say(hg.check(data, memory=service.memory).text())

    _title("2. Split, and what leaks between the parts")
    models = {
        "popular": hg.models.Popular(),
        "bias": hg.models.Bias(),
        "mf": hg.models.MF(),
        "neumf": hg.models.NeuMF(),
        "neumf rating": hg.models.NeuMF(objective="squared_error"),
        "ease": hg.models.Ease(),
    }
    parts = hg.split(data, "random", test=0.1, validation=0.1, seed=run.seed)
    say(parts.audit.text())

    _title("3. Train on the training part; validation says when to stop")
    result = service.compare(data, models, metric=_METRIC, run=run, told=_told)

    _title("4. Measure on the test part")
    say(str(result.test))
    _advise(result)

    _title("5. Lists, and why")
    best = result.best(_METRIC)
    for name in dict.fromkeys(("neumf", best)):
        _lists(name, result.fitted[name], data)

    _title("6. Keep the best, refitted on all ratings")
    model = result.refit(best)
    model.save(out)
    size = f"{out.stat().st_size / 1e6:.0f} MB, one file, no pickle"
    say(f"{out}: {best}, best by {_METRIC} on the validation part; {size}")
    say(f"\nThe tour took {time.perf_counter() - begun:.0f} s. Go on with:")
    say(f"    honeyguide recommend {out} --user 42")
    say(f'    honeyguide recommend {out} --history "Toy Story=5" --history "Aladdin=4.5"')
    say(f"    honeyguide explain {out} --user 42 --language zh")
    say(f'    honeyguide similar {out} --item "Toy Story"')
    say("    honeyguide compare your-ratings.csv --models popular,mf,neumf,ease --save-best ndcg@10")
    facts = {"file": str(out), "best": best, "seconds": time.perf_counter() - begun}
    return {**facts, "split": result.parts.audit.as_dict(), "test": result.test.rows.to_dicts()}


def _title(text: str) -> None:
    say(f"\n{text}\n{'─' * len(text)}")


def _told(name: str, seconds: float) -> None:
    say(f"{name}: {seconds:.1f} s")


def _advise(result: Comparison) -> None:
    """What the table means for the choice of a model, in words that follow its numbers."""
    raters = [name for name, model in result.fitted.items() if model.task == "rating"]
    listers = [name for name in result.fitted if name not in raters]
    rater = min(raters, key=lambda name: result.validation.value(name, "rmse"))
    first = result.best(_METRIC)
    error, gain = result.test.value(rater, "rmse"), result.test.value(first, _METRIC)
    say(f"\nRatings: by validation, {rater} comes closest; its RMSE on the test part is {error:.3f}.")
    say(f"Lists: by validation, {first} is best; its {_METRIC} on the test part is {gain:.3f}.")
    floor = min(result.test.value(name, _METRIC) for name in listers)
    poor = [name for name in raters if result.test.value(name, _METRIC) < floor]
    if poor:
        why = "they learn what was rated, not what is chosen, so that few people's favourites come first"
        say(f"Rating models make poor lists: {', '.join(poor)} stay below every ranking model here; {why}.")


def _lists(name: str, model: Recommender, data: Dataset) -> None:
    """The lists of one known person and of one invented person, with the first reason for each item."""
    import honeyguide as hg
    from honeyguide import service

    schema = data.schema
    liked = data.table().filter(user=_PERSON).sort("rating", "time", descending=True)["item"].head(3)
    say(f"\n{name}, for person {_PERSON} of the data, who likes {_named(schema, liked)}, …:")
    _show(hg.explain(model, _PERSON, k=5, reasons=1))
    say(f"\n{name}, for someone invented, who gives {', '.join(_TASTE)}:")
    _show(hg.explain(model, history=service.history_of(schema, _TASTE), k=5, reasons=1))


def _named(schema: Schema, items: pl.Series) -> str:
    return ", ".join(schema.titles(schema.items.encode(items)))


def _show(found: Sequence[Explanation]) -> None:
    for rank, each in enumerate(found, start=1):
        say(f"{rank}  {each.title}")
        for line in each.sentences():
            say(f"       {line}")
