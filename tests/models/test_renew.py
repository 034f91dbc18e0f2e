"""What an update learns from: new events after the old ones, under the model's own schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import NO_TIME, Dataset
from honeyguide.errors import DataError, MemoryBudgetError, UnsupportedError
from honeyguide.models import renew
from honeyguide.models.baseline.popular import Popular

Make = Callable[..., Dataset]
OLD = [("v", "b", 4.0, 5), ("u", "a", 2.0, 9), ("u", "c", 3.0, 1)]
NEW = [("w", "d", 5.0, 2), ("u", "a", 4.0, 9), ("u", "aa", 1.0, 0)]


def test_events_follow_those_there_were(make: Make) -> None:
    model = Popular().fit(make(OLD, positive=">=3"))
    before, after = renew.merged(model, make(NEW), hg.Run())
    assert after.schema.users.series().to_list() == ["u", "v", "w"]
    assert after.schema.items.series().to_list() == ["a", "b", "c", "aa", "d"]  # codes of old items stay
    assert (len(before), len(after), after.schema.positive.rule, after.schema.scale) == (3, 6, ">=3", (1.0, 5.0))
    both = make([*OLD, *NEW], positive=">=3")
    order = both.schema.items.encode(after.schema.items.series())
    np.testing.assert_array_equal(after.matrix().toarray(), both.matrix().toarray()[:, order])
    assert after.schema.user_table["team"].to_list() == [f"team of {user}" for user in "uvw"]
    assert after.matrix()[0, 0] == 4.0  # of two opinions of one moment the new one
    assert after.schema.titles(np.arange(5)) == [f"Title of {item}" for item in ("a", "b", "c", "aa", "d")]


def test_whatever_is_read_is_taken_in(make: Make) -> None:
    frame = pl.DataFrame(NEW, schema=["user", "item", "rating", "time"], orient="row")
    for events in (frame, make(NEW)):
        model = Popular().fit(make(OLD, positive=">=3")).update(events)
        scores = model.recommend(history=[], k=9)
        assert dict(zip(scores["item"], scores["score"], strict=True)) == {"a": 1, "b": 1, "c": 1, "d": 1, "aa": 0}
        assert (
            model.fingerprint_
            == renew.merged(Popular().fit(make(OLD, positive=">=3")), events, hg.Run())[1].fingerprint
        )
    digits = Popular().fit(make([("7", "8", 1.0, 0)])).update(make([(7, 9, 1.0, 1)]))
    assert digits.schema_.items.series().to_list() == ["8", "9"]
    assert digits.schema_.users.series().to_list() == ["7"]


def test_tables_of_items_with_other_columns(make: Make) -> None:
    old, new = make(OLD), make(NEW)
    bare = replace(old, schema=replace(old.schema, item_table=pl.DataFrame(height=old.n_items)))
    model = Popular().fit(bare).update(new)
    assert model.schema_.titles(np.arange(5)) == ["a", "b", "c", "Title of aa", "Title of d"]
    none = replace(new, schema=replace(new.schema, item_table=pl.DataFrame(height=new.n_items)))
    assert Popular().fit(bare).update(none).schema_.titles(np.arange(5)) == ["a", "b", "c", "aa", "d"]
    assert Popular().fit(old).update(none).schema_.titles(np.array([0, 4])) == ["Title of a", "d"]


def test_times_that_only_one_of_them_has(make: Make) -> None:
    later = renew.merged(Popular().fit(make(OLD, timed=False)), make(NEW), hg.Run())[1]
    assert later.times is not None
    assert later.times.tolist() == [int(NO_TIME)] * 3 + [2, 9, 0]
    assert renew.merged(Popular().fit(make(OLD, timed=False)), make(NEW, timed=False), hg.Run())[1].times is None
    with pytest.raises(DataError, match="events have times and the new ones have none; name them with time="):
        Popular().fit(make(OLD)).update(make(NEW, timed=False))


def test_what_does_not_fit_is_refused_and_changes_nothing(make: Make, tmp_path: object) -> None:
    model = Popular().fit(make(OLD))
    counts = model.score(model.histories_)
    for events, said in (
        (make(NEW, explicit=False), "trained on ratings and the new events have none; name them with rating="),
        (pl.DataFrame({"user": ["u"], "item": ["a"]}), "trained on ratings and the new events have none"),
    ):
        with pytest.raises(DataError, match=said):
            model.update(events)
    with pytest.raises(DataError, match="without ratings and the new ones have them; read them as value="):
        Popular().fit(make(OLD, explicit=False)).update(make(NEW))
    with pytest.raises(DataError, match="item ids of the model are integers, those of the new events strings"):
        Popular().fit(make([("u", 1, 1.0, 0)])).update(make(OLD))
    with pytest.raises(MemoryBudgetError):
        model.update(make(NEW), run=hg.Run(memory=1))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    model.__dict__["_update"] = stop
    with pytest.raises(KeyboardInterrupt):
        model.update(make(NEW))
    assert len(model.schema_.items) == 3
    np.testing.assert_array_equal(model.score(model.histories_), counts)


def test_a_file_without_histories_says_so(make: Make, tmp_path: object) -> None:
    path = f"{tmp_path}/bare.safetensors"
    Popular().fit(make(OLD)).save(path, histories=False)
    with pytest.raises(UnsupportedError, match="needs the histories .* saved without; fit it on all of the data"):
        hg.open(path).update(make(NEW))
