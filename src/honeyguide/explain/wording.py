"""Reasons in words that a shopper can read, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

import numpy as np

from honeyguide.data.dataset import Positive, Schema
from honeyguide.data.graph import INVERSE
from honeyguide.errors import ParameterError
from honeyguide.models.contributions import Part

if TYPE_CHECKING:
    from honeyguide.explain.reasons import Evidence

Language: TypeAlias = Literal["en", "zh"]
_NAMED = 5  # items that a counterfactual names; of more, the others are counted


class Words(Protocol):
    """A language."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema, *, alike: bool) -> str:
        """A reason, whose attribute or entity is `value`, if it can be read; `alike`: those told of have it too."""

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """What would have to be missing for the item to leave the list of k."""

    def nothing(self, known: bool) -> str:
        """That nothing speaks for an item, of someone of whom a history is known or not."""


def of(language: str) -> Words:
    """The words of a language; ParameterError for one that is not there."""
    known: dict[str, Words] = {"en": English(), "zh": Chinese()}
    if language not in known:
        raise ParameterError(f"language must be one of {', '.join(get_args(Language))}, got {language!r}.")
    return known[language]


def number(value: float) -> str:
    """A number as people write it: 1979, 4.5, 0.00123."""
    large = abs(value) >= 1
    return np.format_float_positional(
        value + 0.0, precision=2 if large else 3, fractional=large, unique=False, trim="-"
    )


class English:
    """English."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema, *, alike: bool) -> str:
        """Starting with a small letter, without a stop."""
        told = _but(told, part, value)
        named = _join([each.title for each in told], ", ", " and ")
        match part.kind:
            case "history" if told:
                return f"because you {self._did(told, schema)}"
            case "taste":
                return f"it suits your taste: you {self._did(told, schema)}" if told else "it suits your taste"
            case "attribute" | "path":
                return self._shared(part, value, named, alike)
            case "people":
                do = "like" if _rule(schema) else "have"
                return f"people with your taste {do} it{f', going by {named}' if named else ''}"
            case "raters":
                return f"people with your taste rate it higher{f', going by {named}' if named else ''}"
            case "popularity":
                when = f" in the last {value} days" if value else ""
                one, more = ("likes", "like") if _rule(schema) else ("has", "have")
                who = f"1 person {one}" if part.weight == 1 else f"{part.weight:,.0f} people {more}"
                return f"popular: {who} it{when}"
            case "item":
                return "rated above the average overall" if schema.explicit else "well liked overall"
            case "person":
                return "you rate higher than most"
            case "average":
                return f"items are rated {part.weight:.1f} on average"
            case "chance":
                return "drawn by chance"
            case _:
                return "it does well overall"

    def _shared(self, part: Part, value: str, named: str, alike: bool) -> str:
        """What the item has in common with some of the history, or what goes with it."""
        label, inverse = _label(part)
        if not value and part.kind == "attribute":
            return f"by its {label} it goes with {named}" if named else f"by its {label} it suits your taste"
        if not value:
            if not (named and alike):
                return "what is known of it suits your taste"
            return (
                f"it has something in common with {named}" if inverse or not label else f"{label}: the same as {named}"
            )
        what = value if not label else f"{value} ({label})" if inverse else f"{label}: {value}"
        return f"{what}, {'as in' if alike else 'which goes with'} {named}" if named else what

    def _did(self, told: Sequence[Evidence], schema: Schema) -> str:
        named = [f"{each.title}{self._said(each.value, schema)}" for each in told]
        return f"{'rated' if schema.explicit else 'had'} {_join(named, ', ', ' and ')}"

    def _said(self, value: float | None, schema: Schema) -> str:
        if value is None or (value == 1 and not schema.explicit):
            return ""
        return f" {number(value)}" if schema.explicit else f" ({number(value)} times)"

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """A sentence of the same form."""
        titles = [each.title for each in missing]
        more = [f"{len(titles) - _NAMED} more"] if len(titles) > _NAMED else []
        place = f"be among your {k}" if k > 1 else "come first"
        return f"without {_join([*titles[:_NAMED], *more], ', ', ' and ')} it would not {place}"

    def nothing(self, known: bool) -> str:
        """A sentence of the same form."""
        return "nothing that you had speaks for it" if known else "nothing is known of your taste yet"


class Chinese:
    """Chinese (simplified)."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema, *, alike: bool) -> str:
        """Without a stop."""
        told = _but(told, part, value)
        named = _join([f"《{each.title}》" for each in told], "、", "和")
        match part.kind:
            case "history" if told:
                return f"因为你{self._did(told, schema)}"
            case "taste":
                return f"符合你的口味：你{self._did(told, schema)}" if told else "符合你的口味"
            case "attribute" | "path":
                return self._shared(part, value, named, alike)
            case "people":
                do = "喜欢" if _rule(schema) else "选择"
                return f"与你口味相近的人也{do}它{f'（依据{named}）' if named else ''}"
            case "raters":
                return f"与你口味相近的人给它的评分更高{f'（依据{named}）' if named else ''}"
            case "popularity":
                do = "喜欢" if _rule(schema) else "选择"
                return f"很受欢迎：{f'最近 {value} 天' if value else ''}有 {part.weight:,.0f} 人{do}"
            case "item":
                return "总体评分高于平均" if schema.explicit else "总体上很受喜爱"
            case "person":
                return "你的评分通常偏高"
            case "average":
                return f"平均评分为 {part.weight:.1f}"
            case "chance":
                return "随机抽取"
            case _:
                return "总体上很受欢迎"

    def _shared(self, part: Part, value: str, named: str, alike: bool) -> str:
        """What the item has in common with some of the history, or what goes with it."""
        label, inverse = _label(part)
        if not value and part.kind == "attribute":
            return f"{label}与{named}相配" if named else f"{label}符合你的口味"
        if not value:
            if not (named and alike):
                return "它的相关信息符合你的口味"
            return f"{label}与{named}相同" if label and not inverse else f"与{named}有共同之处"
        what = value if not label else f"{value}（{label}）" if inverse else f"{label}：{value}"
        return f"{what}，与{named}{'一样' if alike else '相配'}" if named else what

    def _did(self, told: Sequence[Evidence], schema: Schema) -> str:
        if schema.explicit:
            return _join([f"给《{each.title}》打了 {number(each.value or 0.0)} 分" for each in told], "，", "，")
        times = [f"（{number(each.value)} 次）" if each.value not in (None, 1.0) else "" for each in told]
        return "选过" + _join([f"《{each.title}》{more}" for each, more in zip(told, times, strict=True)], "、", "和")

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """A sentence of the same form."""
        titles = [f"《{each.title}》" for each in missing]
        named = _join(titles[:_NAMED], "、", "、" if len(titles) > _NAMED else "和")
        more = f"等 {len(titles)} 项" if len(titles) > _NAMED else ""
        return f"如果没有{named}{more}，它就不会{f'进入你的前 {k} 个推荐' if k > 1 else '排在第一'}"

    def nothing(self, known: bool) -> str:
        """A sentence of the same form."""
        return "你选过的内容都没有为它加分" if known else "还不了解你的口味"


def _rule(schema: Schema) -> bool:
    """Whether not every event is positive: who has something likes it, or does not count."""
    return schema.positive != Positive()


def _but(told: Sequence[Evidence], part: Part, value: str) -> list[Evidence]:
    """Who is told of, but for the item that the way through the graph leads to itself."""
    return [each for each in told if part.kind != "path" or each.title != value]


def _label(part: Part) -> tuple[str, bool]:
    """A column or a relation as words; and whether the relation is the other way round.

    Of a dotted relation the last part: film.film.directed_by is "directed by"; of one that is a number nothing.
    """
    if part.kind != "path":
        return part.name.replace("_", " ").strip(), False
    name = part.name.removeprefix(INVERSE).rpartition(".")[2].replace("_", " ").strip()
    return "" if name.isdigit() else name, part.name.startswith(INVERSE)


def _join(parts: Sequence[str], comma: str, last: str) -> str:
    return last.join([comma.join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
