"""The house of DESIGN, section 2: who may import whom, what loads at import, how long a file may be."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import honeyguide

ROOT = Path(honeyguide.__file__).parent
# A line may import only lines above it; names on one line may not import each other.
LINES = """errors arrays|params|progress|files|artifact|checkpoint|run|kernels|data|split|training|models|metrics|
rerank|evaluate|tune|explain|service|cli"""
ORDER = [line.split() for line in LINES.split("|")]
APART = [
    ("split", "metrics"),
    ("split", "models"),
    ("metrics", "models"),
    ("models", "split"),
    ("models", "metrics"),
    ("metrics", "split"),
]
RANK = {name: level for level, names in enumerate(ORDER) for name in names}
FILES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def room(path: Path) -> str:
    """The first part of a module's name inside the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """The rooms of honeyguide that a file imports anywhere but for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "honeyguide":
            parts = node.module.split(".")[1:]
            found += parts[:1] or [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            found += [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("honeyguide.")]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_line_imports_only_lines_above(path: Path) -> None:
    here = room(path)
    assert here in RANK, f"{here} has no place in the house"
    for other in imports(path):
        if other in (here, "__version__"):
            continue
        assert RANK[other] < RANK[here], f"{path.relative_to(ROOT)} imports {other}, which lies below it"
        assert (here, other) not in APART, f"{here} and {other} do not import each other"


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) == "models" and len(p.relative_to(ROOT).parts) == 3], ids=lambda p: p.stem
)
def test_models_do_not_import_each_other(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for other in (p for p in ROOT.glob("models/*/*.py") if not p.stem.startswith("_") and p != path):
        package = f"honeyguide.models.{other.parent.name}"
        assert f"{package} import {other.stem}\n" not in text
        assert f"{package}.{other.stem} import" not in text


def test_import_is_light() -> None:
    heavy = [
        "numpy",
        "scipy",
        "numba",
        "polars",
        "narwhals",
        "keras",
        "jax",
        "tensorflow",
        "optuna",
        "sqlalchemy",
        "pandas",
        "typer",
        "rich",
    ]
    code = f"import sys, honeyguide; sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in honeyguide.__all__:
        assert getattr(honeyguide, name) is not None
    for name in ("split", "tune", "explain"):  # a module of a public name does not hide it
        importlib.import_module(f"honeyguide.{name}")
    assert callable(honeyguide.split)
    assert callable(honeyguide.explain)
    assert callable(honeyguide.tune)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        honeyguide.nothing  # noqa: B018
