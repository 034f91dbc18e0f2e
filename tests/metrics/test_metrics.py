"""The registry of metrics: names, lengths, directions, and the errors for a wrong name."""

from __future__ import annotations

import pytest

from honeyguide.errors import ParameterError
from honeyguide.metrics import metric, metrics, ranking


def test_a_name_gives_its_function_and_length() -> None:
    found = metric("ndcg@10")
    assert (found.name, found.k, found.kind, found.better) == ("ndcg@10", 10, "ranking", "higher")
    assert found.function is ranking.ndcg
    assert metric("recall", k=20).name == "recall@20"
    assert metric("recall@5", k=20).k == 5
    assert metric("rmse").root
    assert not metric("mae").root
    tagged = metric("exposure:kind of thing=a@b:c@5")
    assert (tagged.name, tagged.of, tagged.k) == ("exposure:kind of thing=a@b:c@5", "kind of thing=a@b:c", 5)
    assert (metric("diversity", k=7).name, metric("diversity:genres", k=7).name) == (
        "diversity@7",
        "diversity:genres@7",
    )


def test_every_metric_has_a_definition_and_a_direction() -> None:
    for each in metrics():
        assert len(each.definition) > 10
        assert each.ahead(2.0, 1.0) == (each.better == "higher")
        assert metric(each.name, k=10).function is each.function


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nope", r"metric must be one of ndcg, ndcg_full, .*rmse, mae, .*, got 'nope'\."),
        ("ndcg", r"metric ndcg needs the length of the list, got 'ndcg': write 'ndcg@10'\."),
        ("ndcg@0", r"metric must be one of .*, got 'ndcg@0'\."),
        ("rmse@10", r"metric rmse has no list to cut, got 'rmse@10': write 'rmse'\."),
    ],
)
def test_a_wrong_name_is_one_clear_line(name: str, text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        metric(name)
