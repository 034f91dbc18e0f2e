"""What a person typed → ids, titles and histories."""

from __future__ import annotations

import pytest
from films import FILMS, NAMES, schema

from honeyguide import service
from honeyguide.data.dataset import Schema
from honeyguide.errors import ParameterError, UnknownIdError


@pytest.mark.parametrize(
    ("held", "typed", "found"),
    [
        (FILMS, "10", 10),
        (FILMS, "ALIEN", 10),  # of equal titles the lower code's
        (FILMS, "20", 20),  # an id goes before a title
        (FILMS, "040", 40),
        (NAMES, "b c", "b c"),
        (NAMES, "a=2", "a=2"),
    ],
)
def test_an_item_by_id_or_title(held: Schema, typed: str, found: object) -> None:
    assert service.items_of(held, [typed]) == [found]


def test_an_item_that_is_not_there() -> None:
    with pytest.raises(UnknownIdError, match=r"title 'aliem'; did you mean 'Alien'\?"):
        service.items_of(FILMS, ["10", "aliem"])
    with pytest.raises(UnknownIdError, match=r"there is no item with the id or title '99'; ids here are integers"):
        service.items_of(FILMS, ["99"])
    with pytest.raises(UnknownIdError, match=r"there is no item with the id or title 'A'; ids here are strings"):
        service.items_of(NAMES, ["A"])


@pytest.mark.parametrize(
    ("held", "typed", "found"),
    [
        (FILMS, "alien=4.5", (10, 4.5)),
        (FILMS, "30", (30, 5.0)),
        (FILMS, "30=-1e0", (30, -1.0)),
        (NAMES, "a=2", ("a=2", 5.0)),
        (NAMES, "a=3", ("a", 3.0)),
        (NAMES, "a=2=3", ("a=2", 3.0)),
        (schema([1], explicit=False), "1", (1, 1.0)),
    ],
)
def test_an_event_of_a_history(held: Schema, typed: str, found: object) -> None:
    assert service.history_of(held, [typed]) == [found]


def test_an_event_that_is_none() -> None:
    with pytest.raises(ParameterError, match="an event must be ITEM or ITEM=VALUE with a number, got 'alien=good'"):
        service.history_of(FILMS, ["alien=good"])
    with pytest.raises(UnknownIdError, match="id or title 'x'"):
        service.history_of(FILMS, ["x=3"])


def test_people() -> None:
    assert service.users_of(FILMS, ["1", "77"]) == [1, 77]
    with pytest.raises(UnknownIdError, match="the user is not in the training data: ids here are integers, got 'ann'"):
        service.users_of(FILMS, ["ann"])
