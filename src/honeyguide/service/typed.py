"""What a person typed: ids, titles and values as texts → ids and histories."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from honeyguide.data.dataset import Schema
from honeyguide.data.vocabulary import Id
from honeyguide.errors import ParameterError, UnknownIdError


def users_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The people that texts stand for; UnknownIdError for a text that cannot be an id of this model."""
    try:
        return [schema.users.parse(text) for text in texts]
    except UnknownIdError as error:
        raise UnknownIdError(f"the user is not in the training data: {error}") from None


def items_of(schema: Schema, texts: Sequence[str]) -> list[Id]:
    """The items that texts stand for, each an id or a title; UnknownIdError, with the nearest titles, otherwise."""
    names = _Names(schema)
    return [names.item(text) for text in texts]


def history_of(schema: Schema, texts: Sequence[str]) -> list[tuple[Id, float]]:
    """A history from texts such as "318", "318=5" or "Toy Story=4.5"; without a value, the top of the scale or 1."""
    names, default = _Names(schema), schema.scale[1] if schema.explicit and schema.scale else 1.0
    history = []
    for text in texts:
        name, separator, number = text.rpartition("=")
        value = default
        if separator and names.find(text) is None:  # else the sign belongs to the id or title
            try:
                text, value = name, float(number)
            except ValueError:
                raise ParameterError(f"an event must be ITEM or ITEM=VALUE with a number, got {text!r}.") from None
        history.append((names.item(text), value))
    return history


def told_of(texts: Sequence[str], what: str, form: str = "COLUMN=VALUE") -> dict[str, str]:
    """What is told in texts such as "age=30"; ParameterError, naming `what` and the `form`, for any other."""
    told = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ParameterError(f"{what} must be {form}, got {text!r}.")
        told[name.strip()] = value.strip()
    return told


class _Names:
    """What items may be called: by id, or by title in any case; of equal titles the lower code's."""

    def __init__(self, schema: Schema) -> None:
        columns = [name for name in schema.item_table.columns if name.lower() in ("title", "name")]
        titles = schema.item_table[columns[0]].to_list() if columns else []
        self._titles = {str(title).lower(): code for code, title in reversed(list(enumerate(titles))) if title}
        self._schema = schema

    def find(self, text: str) -> Id | None:
        """The id that a text stands for, or None."""
        items = self._schema.items
        try:
            value = items.parse(text)
            items.code(value, "item")
        except UnknownIdError:
            code = self._titles.get(text.lower())
            return None if code is None else items.series()[code]
        return value

    def item(self, text: str) -> Id:
        """The id that a text stands for; UnknownIdError, with the nearest titles, where there is none."""
        found = self.find(text)
        if found is not None:
            return found
        codes = [self._titles[near] for near in difflib.get_close_matches(text.lower(), self._titles, n=3)]
        near = " or ".join(repr(title) for title in self._schema.titles(np.array(codes, dtype=np.int32)))
        hint = f"; did you mean {near}?" if near else f"; ids here are {self._schema.items.kind}s"
        raise UnknownIdError(f"there is no item with the id or title {text!r}{hint}")
