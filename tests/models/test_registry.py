"""Models found by listing, imported when asked for, named however they are spelt."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import honeyguide as hg
from honeyguide import params
from honeyguide.errors import ParameterError
from honeyguide.models import registry
from honeyguide.models.base import Recommender

FOLDER = Path(registry.__file__).parent


def test_every_file_is_a_model_and_every_model_a_file() -> None:
    files = {path.stem for path in FOLDER.glob("*/*.py") if not path.name.startswith("_")}
    assert set(registry.names()) == files
    assert len(set(registry.names())) == len(registry.names())
    for name in registry.names():
        cls = registry.load(name)
        assert issubclass(cls, Recommender)
        assert registry.canonical(cls.__name__) == name
        assert (FOLDER / registry.family(name) / f"{name}.py").exists()
        assert getattr(hg.models, cls.__name__) is cls
        assert {field.name for field in fields(cls)} == set(params.declarations(cls)), (
            "a field that is no hyperparameter"
        )
        assert (sys.modules[cls.__module__].__doc__ or "").strip()
        assert cls.__doc__


@pytest.mark.parametrize("spelling", ["ease", "Ease", "EASE", "e_a-s_E"])
def test_case_and_underscores_do_not_matter(spelling: str) -> None:
    assert registry.canonical(spelling) == "ease"
    assert type(hg.model(spelling, reg="2.5")).__name__ == "Ease"
    assert hg.model(spelling, reg="2.5").reg == 2.5  # type: ignore[attr-defined]


def test_a_name_that_is_none() -> None:
    with pytest.raises(ParameterError, match=r"there is no model 'populer'; did you mean popular"):
        registry.load("populer")
    with pytest.raises(ParameterError, match=rf"there is no model 'zzz'; there are: {', '.join(registry.names())}"):
        registry.family("zzz")
    for hostile in ("../evil", "os", "factorization.ease", "", "__init__"):
        with pytest.raises(ParameterError, match="there is no model"):
            registry.load(hostile)
    with pytest.raises(AttributeError, match="there is no model 'Populer'; did you mean popular"):
        hg.models.Populer  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hg.models.nothing  # noqa: B018
    every = r"reg, dropout, user_power, item_power\."
    with pytest.raises(ParameterError, match=rf"Ease has no hyperparameter 'factors'; it has: {every}"):
        hg.model("ease", factors=3)


def test_listing_imports_no_model() -> None:
    code = (
        "import sys; from honeyguide.models import registry; registry.names(); registry.canonical('ease'); "
        "sys.exit(str([m for m in sys.modules if m.startswith('honeyguide.models.') and m.count('.') > 2]"
        " + [m for m in ('numpy', 'numba', 'keras') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"


def test_the_models_are_listed_by_class_name() -> None:
    assert dir(hg.models) == sorted(registry.load(name).__name__ for name in registry.names())
