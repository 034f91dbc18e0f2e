"""Models built from texts; what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from honeyguide import service
from honeyguide.errors import ParameterError
from honeyguide.models import registry


def test_settings_go_to_each_model_that_has_them() -> None:
    built: dict[str, Any] = service.build(["Ease", " mf", "ease", ""], {"reg": "3", "mf.factors": "7"})
    assert list(built) == ["ease", "mf"]
    assert (built["ease"].reg, built["mf"].reg, built["mf"].factors) == (3.0, 3.0, 7)
    for names, given, said in (
        ([""], {}, "name at least one model, such as popular,ease"),
        (["ease"], {"factors": "3"}, "none of ease has the hyperparameter 'factors'"),
        (["ease"], {"mf.factors": "3"}, "none of ease has the hyperparameter 'mf.factors'"),
        (["ease"], {"ease.regg": "3"}, "Ease has no hyperparameter 'regg'"),
        (["ease"], {"eaze.reg": "3"}, "did you mean ease?"),
    ):
        with pytest.raises(ParameterError, match=said):
            service.build(names, given)


def test_models_describe_themselves() -> None:
    listed = service.describe_models()
    assert [model["name"] for model in listed] == list(registry.names())
    ease = service.describe_models(["EASE"])[0]
    assert (ease["class"], ease["family"], ease["task"], ease["fold_in"]) == (
        "Ease",
        "factorization",
        "ranking",
        "exact",
    )
    assert ease["summary"].startswith("EASE: ")
    assert [h["name"] for h in ease["hyperparameters"]] == ["reg", "dropout", "user_power", "item_power"]
