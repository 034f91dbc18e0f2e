"""Lists of every model, ours and the rivals', each tuned by the same search on the same data; the table for the docs.

    python bench/tuned_lists.py                                    # all data and sides; goes on where it stopped
    python bench/tuned_lists.py --data lastfm --only "irspack *" --again
    python bench/tuned_lists.py --only "honeyguide als" --retest   # judge known settings on test again
    python bench/tuned_lists.py --table                            # the newest results as Markdown

Positive events alone, split 80/20 within each person; a validation part is carved out of training by the same split.
A search (bench/trials.py) chooses a side's settings by ndcg@10 on validation; with them it is fitted on the whole of
training and judged on test: ndcg@10 and recall@10 over the whole catalogue without the history, from raw ids, by our
metrics. The settings' ranges are the models' own `tune=` and what the rivals' adapters in rivals/ say. A random model
is the mean of three seeds. No side sees how often or how highly: a pair is there or not; nor when, but for `sasrec`,
which reads an order and stays out where the data have none.

`ranker` ranks what als and ease propose, each with the settings found for it on the same validation part.
Deep models, whose every trial compiles and trains for many passes, have limits of their own: fewer trials, longer ones.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench import compare
from bench.exchange import AnyArray, Job, Search
from bench.harness import RESULTS, BenchError, cores, python_of, revision, rounded, write_result
from bench.trials import Limits, Server, search
from bench.tuned_table import duel, markdown
from honeyguide import metrics, params
from honeyguide.models import registry

NAME, SEED, SEEDS, K = "tuned-lists", 0, 3, 10
RIVALS = ("implicit", "irspack", "lenskit", "rectools")
DEEP = ("deep", "sequential")
TWO_STAGES, FIRST = "ranker", ("als", "ease")  # the model of two stages, and what proposes to it
FAMILIES = ("baseline", "neighbours", "factorization", "graph", *DEEP)
STANDS_FOR = {"neumf": {"embedding_reg": 1e-3, "dropout": 0.0}}  # what a default of None comes to, for lists
METRICS = (f"ndcg@{K}", f"recall@{K}")


@dataclass(frozen=True)
class Plan:
    """A data set: which of its events are positive, and the limits of a search on it, of deep models apart."""

    positive: str
    limits: Limits
    deep: Limits


PLANS = {
    "movielens-latest-small": Plan(
        ">=4", Limits(trials=30, trial=60, study=240), Limits(trials=30, trial=240, study=3600)
    ),
    "lastfm": Plan("every event", Limits(trials=30, trial=180, study=480), Limits(trials=30, trial=480, study=5400)),
    "movielens-1m-positives": Plan(
        "every event", Limits(trials=30, trial=90, study=480), Limits(trials=10, trial=900, study=7200)
    ),
}


@dataclass(frozen=True)
class Side:
    """One model of one library; its name is "library model"."""

    library: str
    model: str
    module: str

    @property
    def name(self) -> str:
        """How tables, results and `--only` call it."""
        return f"{self.library} {self.model}"

    @cached_property
    def search(self) -> Search:
        """What is tried of it."""
        if self.library == "honeyguide":
            return of_ours(self.model)
        found: Search = importlib.import_module(self.module).SEARCHES[self.model]
        return found

    @property
    def family(self) -> str:
        """The family of a model of ours; of a rival's, the library."""
        return registry.family(self.model) if self.library == "honeyguide" else self.library

    @property
    def packages(self) -> Sequence[str]:
        """The pins of its environment."""
        found: Sequence[str] = importlib.import_module(self.module).PACKAGES
        return found


def sides() -> list[Side]:
    """All sides, the rivals' first."""
    modules = {library: f"bench.rivals.{library}" for library in RIVALS}
    rivals = [Side(name, model, at) for name, at in modules.items() for model in importlib.import_module(at).SEARCHES]
    able = [name for name in registry.names() if registry.family(name) in FAMILIES and name != "random"]
    lists = [name for name in able if registry.create(name, {}).task == "ranking"]
    return [*rivals, *(Side("honeyguide", name, "bench.ours") for name in lists)]


def of_ours(name: str) -> Search:
    """The search of one of our models: its declared ranges, its defaults first."""
    declared = {n: d for n, d in params.declarations(registry.load(name)).items() if d.tune is not None}
    ranges = {n: _typed(d) for n, d in declared.items()}
    defaults = {n: each.default for n, each in declared.items()} | STANDS_FOR.get(name, {})
    start = {n: defaults[n] for n, spec in ranges.items() if _within(defaults[n], spec)}
    return Search(ranges, start, {"model": name})


def over(search: Search, known: Mapping[str, Any]) -> Search:
    """The search of a model of two stages, whose first are those of ours named in FIRST, as they were tuned before."""
    specs = []
    for name in FIRST:
        settings = known.get(f"honeyguide {name}", {}).get("settings")
        if settings is None:
            raise BenchError(f"ranker stands on honeyguide {name}, which is not tuned yet")
        specs.append(":".join([name, *(f"{key}={value}" for key, value in settings.items() if key != "model")]))
    return replace(search, fixed={**search.fixed, "models": ",".join(specs)})


def _typed(declared: params.Declaration) -> Any:
    """A declared range, its ends of the hyperparameter's own type."""
    spec: Any = declared.tune
    return spec if isinstance(spec, list) else (declared.kind(spec[0]), declared.kind(spec[1]), *spec[2:])


def _within(value: Any, spec: Any) -> bool:
    return value in spec if isinstance(spec, list) else value is not None and spec[0] <= value <= spec[1]


class Ground:
    """One data set made ready: the questions of the validation and of the test part, in folders that servers read."""

    def __init__(self, name: str, plan: Plan, folder: Path, threads: int) -> None:
        data = hg.load(name, positive=plan.positive)
        data = data.take(data.schema.positive.mask(data.values))
        train, test = hg.split(data, "per-person", test=0.2, seed=SEED)
        part, validation = hg.split(train, "per-person", test=0.2, seed=SEED)
        self.name, self.plan, self.threads, self.folder = name, plan, threads, folder
        self.ordered = data.times is not None
        self.questions = {
            "validation": compare.ask_for_lists(part, validation),
            "test": compare.ask_for_lists(train, test),
        }

    def protocol(self) -> dict[str, Any]:
        """What a result has to agree in to be gone on with."""
        of = self.questions
        return {
            "data": self.name, "positive": self.plan.positive, "split": "per-person", "test": 0.2, "seed": SEED,
            "training_events": len(of["test"].train), "asked": len(of["test"].users),
            "asked_in_validation": len(of["validation"].users), "k": K, "seeds": SEEDS, "threads": self.threads,
            "limits": asdict(self.plan.limits),
        }  # fmt: skip

    def limits(self, side: Side) -> Limits:
        """Of the search of a side."""
        return self.plan.deep if side.family in DEEP else self.plan.limits

    def able(self, side: Side) -> bool:
        """Whether the data have what the side reads."""
        return self.ordered or side.family != "sequential"

    def server(self, side: Side, stage: str) -> Server:
        """A process of the side with the data of "validation" or "test"."""
        pinned = tuple(package.partition("==")[0] for package in side.packages)
        job = Job(
            task="lists", settings={}, threads=self.threads, seed=SEED, k=K, scale=None, refit=False, versions=pinned
        )
        folder = self.folder / self.name / stage
        if not folder.is_dir():
            folder.mkdir(parents=True)
            compare.hand_over(folder, job, self.questions[stage])
        (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        python = python_of(side.module.rpartition(".")[2], side.packages)
        return Server(python, side.module, folder, threads=self.threads)

    def people(self, stage: str, answer: Sequence[AnyArray]) -> AnyArray:
        """(P, 2) ndcg@10 and recall@10 of each person's list."""
        question = self.questions[stage]
        lists = compare.table_of_lists(question, *answer, k=K)
        asked = [metrics.metric(name) for name in METRICS]
        return np.stack([m.function(lists, question.relevant, k=K) for m in asked], axis=1)


def tuned(side: Side, ground: Ground, known: Mapping[str, Any]) -> dict[str, Any]:
    """Search, then judge on test: what stands in the result of one side. A library that fails gives its reason.

    `known` are the sides tuned before.
    """
    try:
        searched = over(side.search, known) if side.name == f"honeyguide {TWO_STAGES}" else side.search
        begun, limits = time.perf_counter(), ground.limits(side)
        with ground.server(side, "validation") as server:
            seen = search(
                server, searched, lambda answer: float(ground.people("validation", answer)[:, 0].mean()), limits,
                seed=SEED,
            )  # fmt: skip
        best, seconds = seen.best, time.perf_counter() - begun
        people, times, versions = tested(side, ground, best.settings)
    except BenchError as error:
        return {"failure": str(error), "commit": revision()}
    own = {} if limits == ground.plan.limits else {"limits": asdict(limits)}
    return {
        "settings": best.settings, "validation": best.value, **judged(people), **times, **own,
        "trials": seen.count("done"), "over_time": seen.count("over time"), "failed": seen.count("failed"),
        "seconds": seconds, "values": [trial.value for trial in seen.trials],
        "failures": sorted({trial.why for trial in seen.trials if trial.state == "failed"}),
        "ranges": dict(searched.ranges), "start": dict(searched.start), "versions": versions,
        "commit": revision(),
    }  # fmt: skip


def judged(people: AnyArray) -> dict[str, Any]:
    """The means of (S, P, 2) values, and those of each seed."""
    value = np.mean(people, axis=(0, 1))
    seeds = [float(each[:, 0].mean()) for each in people]
    return {"test": dict(zip(METRICS, value.tolist(), strict=True)), "test_of_seeds": seeds}


def tested(
    side: Side, ground: Ground, settings: Mapping[str, Any]
) -> tuple[AnyArray, dict[str, float], dict[str, str]]:
    """(S, P, 2) values of each person for each seed, median seconds, versions; one seed where seeds change nothing."""
    people: list[AnyArray] = []
    times: list[dict[str, float]] = []
    with ground.server(side, "test") as server:
        for seed in range(SEEDS):
            taken, answer = server.ask(settings, seed=seed, seconds=5 * ground.limits(side).trial)
            people.append(ground.people("test", answer))
            times.append(taken)
            if seed == 1 and np.array_equal(people[0], people[1]):
                people.pop()
                break
        median = {f"{key}_seconds": statistics.median(each[key] for each in times) for key in ("fit", "lists")}
        return np.stack(people), median, server.versions


def run(name: str, args: argparse.Namespace, folder: Path) -> None:
    """All sides asked for on one data set; the result is written after each."""
    ground = Ground(name, args.plans[name], folder, args.threads)
    protocol, known = rounded(ground.protocol()), newest(name, args.out)
    if known and known["protocol"] != protocol and not args.afresh:
        raise BenchError(f"the result of {name} was made by another protocol; --afresh begins anew")
    held: dict[str, Any] = known["sides"] if known and not args.afresh else {}
    every = [side for side in sides() if ground.able(side)]
    for side in every:
        whole = "failure" not in held.get(side.name, {"failure": "not yet"})
        wanted = whole if args.retest else args.again or not whole
        if not (wanted and fnmatch.fnmatch(side.name, args.only)):
            continue
        print(f"{time.strftime('%H:%M:%S')} {name} {side.name} …", end=" ", flush=True)
        if args.retest:
            held[side.name] |= judged(tested(side, ground, held[side.name]["settings"])[0])
        else:
            held[side.name] = tuned(side, ground, held)
        print(_line(held[side.name]), flush=True)
        write(name, protocol, held, [], args.out)
    order = [side for side in every if "failure" not in held.get(side.name, {"failure": "not yet"})]
    write(name, protocol, held, list(_duels(order, held, ground)), args.out)


def _duels(order: Sequence[Side], held: Mapping[str, Any], ground: Ground) -> Iterator[dict[str, Any]]:
    """Our best on validation against the rivals' best on validation and on test; our best deep one against the rest.

    The model of two stages, which had the searches of its first stages too, is set against the best of those alone.
    """
    validation = lambda side: held[side.name]["validation"]  # noqa: E731
    own = [side for side in order if side.library == "honeyguide"]
    ours = [side for side in own if side.model != TWO_STAGES]
    rivals = [side for side in order if side.library != "honeyguide"]
    deep = [side for side in ours if side.family in DEEP]
    shallow = [side for side in ours if side.family not in DEEP]
    pairs: list[tuple[Side, Side, str]] = []
    if ours and rivals:
        mine = max(ours, key=validation)
        pairs.append((mine, max(rivals, key=validation), "validation"))
        pairs.append((mine, max(rivals, key=lambda side: held[side.name]["test"][METRICS[0]]), "test"))
    if deep and shallow:
        pairs.append((max(deep, key=validation), max(shallow, key=validation), "ours"))
    stages = [side for side in own if side.model == TWO_STAGES]
    first = [side for side in own if side.model in FIRST]
    if stages and first:
        pairs.append((stages[0], max(first, key=validation), "first"))
    people = {
        side: tested(side, ground, held[side.name]["settings"])[0].mean(axis=0)
        for side in dict.fromkeys(side for mine, rival, _ in pairs for side in (mine, rival))
    }
    for mine, rival, chosen_by in pairs:
        found = {m: duel(people[mine][:, at], people[rival][:, at]) for at, m in enumerate(METRICS)}
        yield {"ours": mine.name, "rival": rival.name, "rival_chosen_by": chosen_by} | found


def write(name: str, protocol: Mapping[str, Any], held: Mapping[str, Any], duels: Sequence[Any], out: Path) -> None:
    """The result of one data set, its sides in the order of validation."""
    order = sorted(held, key=lambda each: -held[each].get("validation", -1.0))
    about = "Lists of every model, each tuned by the same search; see bench/tuned_lists.py."
    sorted_sides = {each: held[each] for each in order}
    write_result(
        f"{NAME}-{name}", {"about": about, "protocol": protocol, "sides": sorted_sides, "duels": duels}, folder=out
    )


def newest(name: str, folder: Path) -> dict[str, Any] | None:
    """The newest result of a data set."""
    paths = sorted(folder.glob(f"????-??-??-{NAME}-{name}.json"))
    if not paths:
        return None
    found: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))
    return found


def _line(side: Mapping[str, Any]) -> str:
    if "failure" in side:
        return f"failed: {side['failure']}"
    over = f", {side['over_time']} over time" if side["over_time"] else ""
    failed = f", {side['failed']} failed" if side["failed"] else ""
    return (
        f"validation {side['validation']:.4f} test {side['test'][METRICS[0]]:.4f} "
        f"({side['trials']} trials{over}{failed}, {side['seconds']:.0f} s) {side['settings']}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=PLANS, action="append", help="one of the data sets; again for another")
    parser.add_argument("--only", default="*", help='sides by name, such as "irspack *" or "honeyguide als"')
    parser.add_argument("--again", action="store_true", help="tune the sides named by --only again")
    parser.add_argument("--retest", action="store_true", help="judge the sides named by --only on test again")
    parser.add_argument("--afresh", action="store_true", help="forget the results there are")
    parser.add_argument("--trials", type=int, help="of a search, for a quick look; name an --out")
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--table", action="store_true", help="print the newest results as Markdown")
    args = parser.parse_args()
    names = args.data or list(PLANS)
    if args.table:
        print("\n\n".join(markdown(found) for name in names if (found := newest(name, args.out))))
        return
    args.plans = {
        name: plan
        if args.trials is None
        else Plan(plan.positive, *(replace(limits, trials=args.trials) for limits in (plan.limits, plan.deep)))
        for name, plan in PLANS.items()
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command goes on"))  # servers end with it
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            run(name, args, Path(folder))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"error: {error}")
