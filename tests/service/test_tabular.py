"""Files of pairs and of lists: kinds of ids, streaming, failures."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from films import FILMS, NAMES

from honeyguide import service
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, ParameterError
from honeyguide.models.factorization.ease import Ease


def test_pairs_of_a_file_get_the_models_kind_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("movieId;userId;x\n10;1;a\n99;2;b\n")
    assert service.read_pairs(path, FILMS).rows() == [(1, 10), (2, 99)]
    path.write_text("1,10\n2,99\n")  # no heading
    assert service.read_pairs(path, NAMES).rows() == [(1, "10"), (2, "99")]
    path.write_text("user,item\nann,10\n")
    with pytest.raises(
        ParameterError, match="pairs.csv does not hold ids of the model's kind: its people are integers"
    ):
        service.read_pairs(path, FILMS)
    path.write_text("user,item\n1,10,7\n")
    with pytest.raises(DataError, match="line 2 of .* has 3 fields"):
        service.read_pairs(path, FILMS)


def test_lists_stream_block_by_block_from_whatever_thread(
    ratings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, held = Ease(reg=10).fit(ratings), []

    whole = model.recommend_all

    def watched(*given: Any, **more: Any) -> Any:
        for table in whole(*given, **more):
            held.append(threading.current_thread().name)
            yield table

    monkeypatch.setattr(model, "recommend_all", watched)
    monkeypatch.setattr("honeyguide.models.lists.CELLS", 100)
    assert service.write_lists(model, tmp_path / "x.parquet", k=2) == 80
    assert len(held) == 14
    assert pl.read_parquet(tmp_path / "x.parquet").equals(pl.concat(whole(2)))


def test_a_failure_while_streaming_is_the_models_own_and_leaves_nothing(
    ratings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, score, calls = Ease(reg=10).fit(ratings), Ease.score, 0

    def fail_third(self: Ease, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise DataError("the third block")
        return score(self, *given)

    monkeypatch.setattr(Ease, "score", fail_third)
    monkeypatch.setattr("honeyguide.models.lists.CELLS", 100)
    for suffix in service.TABLES:
        calls = 0
        with pytest.raises(DataError, match="^the third block$"):
            service.write_lists(model, tmp_path / f"x{suffix}", k=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "sink"), [(".parquet", "parquet"), (".csv", "csv"), (".jsonl", "ndjson")])
def test_a_sink_that_opens_its_file_once_all_has_failed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, sink: str
) -> None:
    """As the threads of Polars do now and then: a name would be a new file by then, an open file is not."""
    later: list[Any] = []

    def fail(self: pl.LazyFrame, target: Any) -> None:
        later.append(target)
        raise DataError("the source")

    monkeypatch.setattr(pl.LazyFrame, f"sink_{sink}", fail)
    with pytest.raises(DataError, match="^the source$"):
        service.write_table(pl.DataFrame({"a": [1]}), tmp_path / f"x{suffix}")
    if isinstance(later[0], str | Path):
        Path(later[0]).touch()
    assert list(tmp_path.iterdir()) == []
