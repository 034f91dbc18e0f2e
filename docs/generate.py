"""Write the reference from the code: docs/reference/*.md, and the tree of the house in README.md.

`python docs/generate.py` writes; `python docs/generate.py --check` says what is out of date and exits with 1.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import honeyguide
from honeyguide import cli, params, rerank, service
from honeyguide.data.dataset import Dataset, Schema
from honeyguide.data.graph import Graph
from honeyguide.data.report import Report
from honeyguide.evaluate import EarlyStopping, Evaluation
from honeyguide.explain import Evidence, Explanation, Reason
from honeyguide.explain.fidelity import Fidelity, Margin
from honeyguide.metrics import metrics
from honeyguide.split import Audit, Split
from honeyguide.tune import Tuned

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "honeyguide"
HEAD = "<!-- Generated from the code by docs/generate.py (make docs); do not edit. -->\n\n"
BEGIN, END = "<!-- tree: begin -->", "<!-- tree: end -->"


def pages() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    reference = ROOT / "docs" / "reference"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return {
        reference / "models.md": HEAD + models(),
        reference / "rerankers.md": HEAD + rerankers(),
        reference / "commands.md": HEAD + commands(),
        reference / "api.md": HEAD + api(),
        reference / "metrics.md": HEAD + measures(),
        reference / "errors.md": HEAD + errors(),
        ROOT / "README.md": f"{before}{BEGIN}\n```\n{tree()}```\n{END}{after}",
    }


def models() -> str:
    """Every model with its hyperparameters."""
    text = "# Models\n"
    for about in service.describe_models():
        cls = getattr(honeyguide.models, about["class"])
        fold_in = "exactly" if about["fold_in"] == "exact" else "approximately"
        text += f"\n## {about['name']}\n\n`hg.models.{about['class']}`: {about['family']}, "
        text += f"task by default: {about['task']}; "
        text += f"serves people it never saw {fold_in} as if trained on them.\n\n"
        text += "\n\n".join(inspect.cleandoc(doc) for doc in (sys.modules[cls.__module__].__doc__, cls.__doc__)) + "\n"
        if about["hyperparameters"]:
            text += _head("hyperparameter", "default", "legal", "searched by `tune`", "meaning")
            for one in about["hyperparameters"]:
                searched = "–" if one["tune"] is None else str(one["tune"])
                text += f"| `{one['name']}` | `{one['default']}` | {one['rule']} | {searched} | {one['help']} |\n"
    return text


def rerankers() -> str:
    """Every re-ranker with its parameters."""
    text = "# Re-rankers\n\n`model.recommend(…, rerank=hg.rerank.MMR(trade=0.3))`, `--rerank mmr:trade=0.3`.\n"
    for name, cls in rerank.names().items():
        text += f"\n## {name}\n\n`hg.rerank.{cls.__name__}`\n\n"
        text += "\n\n".join(inspect.cleandoc(doc or "") for doc in (sys.modules[cls.__module__].__doc__, cls.__doc__))
        text += "\n" + _head("parameter", "default", "legal", "meaning")
        for one in params.declarations(cls).values():
            text += f"| `{one.name}` | `{one.default!r}` | {one.rule} | {one.help} |\n"
    return text


def commands() -> str:
    """Every command with its options."""
    import typer

    group = typer.main.get_command(cli.build())
    text = (
        "# Commands\n\nExit status: 0 done; 1 `check` found errors, or stopped by Ctrl-C; 2 a mistake, on one line.\n"
    )
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        text += f"\n## honeyguide {name}\n\n{command.help}\n{_head('argument or option', 'default', 'meaning')}"
        for one in command.params:
            if one.name == "help":
                continue
            names = ", ".join(f"`{opt}`" for opt in [*one.opts, *one.secondary_opts])
            if one.param_type_name == "argument":
                names = f"`{one.metavar or one.name.upper()}`"
            default = "required" if one.required else _default(one.default)
            text += f"| {names} | {default} | {getattr(one, 'help', None) or ''} |\n"
    return text


def _head(*names: str) -> str:
    return f"\n| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"


def _default(value: Any) -> str:
    return "–" if value is None or value == [] else f"`{value}`"


def api() -> str:
    """Every public name with its signature and docstring."""
    text = "# Python\n\n`import honeyguide as hg`. Each name below is public; so are the models (models.md).\n"
    names = {f"hg.{name}": getattr(honeyguide, name) for name in honeyguide.__all__}
    results = {
        cls.__name__: cls
        for cls in (
            Dataset,
            Schema,
            Graph,
            Report,
            Split,
            Audit,
            Evaluation,
            EarlyStopping,
            Tuned,
            Explanation,
            Reason,
            Evidence,
            Fidelity,
            Margin,
        )
    }
    for name, thing in {**names, **results}.items():
        if not callable(thing) or inspect.ismodule(thing):
            continue
        text += f"\n## {name}\n\n{_entry(thing, name)}"
        if inspect.isclass(thing):
            text += "".join(_entry(member, of) for member, of in _members(thing))
    return text


def _members(cls: type) -> Iterator[tuple[Any, str]]:
    for name, member in vars(cls).items():
        if not name.startswith("_") and inspect.isfunction(member):
            yield member, f"{cls.__name__}.{name}"


def _entry(thing: Any, name: str) -> str:
    found = inspect.signature(thing)
    plain = [one.replace(annotation=_Plain(one.annotation)) for one in found.parameters.values() if one.name != "self"]
    signature = found.replace(parameters=plain, return_annotation=_Plain(found.return_annotation))
    return f"```python\n{name}{signature}\n```\n\n```text\n{inspect.cleandoc(thing.__doc__ or '')}\n```\n\n"


class _Plain(str):
    """An annotation that is printed without quotes."""

    def __repr__(self) -> str:
        return "Any" if self == str(inspect.Parameter.empty) else self


def measures() -> str:
    """Every metric with its definition."""
    text = "# Metrics\n\nLists take their length after an @: `ndcg@10`.\n"
    text += _head("metric", "of", "better", "definition")
    for one in metrics():
        text += f"| `{one.name}` | {one.kind} | {one.better} | {' '.join(one.definition.split())} |\n"
    return text


def errors() -> str:
    """The tree of exceptions."""
    return "# Errors\n\n```text\n" + (honeyguide.errors.__doc__ or "") + "```\n"


def tree() -> str:
    """The files of the package with the first sentence of each."""
    lines = ["src/honeyguide/"]

    def walk(folder: Path, indent: str) -> None:
        for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
            if path.suffix == ".py" and path.name != "__init__.py":
                lines.append(f"{indent}{path.name:<{34 - len(indent)}} {_first(path)}".rstrip())
            elif (path / "__init__.py").exists():
                lines.append(f"{indent}{path.name + '/':<{34 - len(indent)}} {_first(path / '__init__.py')}".rstrip())
                walk(path, indent + "    ")

    walk(PACKAGE, "    ")
    return "\n".join(lines) + "\n"


def _first(path: Path) -> str:
    doc = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(doc.split())


def main() -> int:
    """Write or check."""
    stale = {
        path: text for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"out of date: {path.relative_to(ROOT)}; run: make docs")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(ROOT)}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
