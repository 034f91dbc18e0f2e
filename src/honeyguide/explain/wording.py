"""Reasons in words that a shopper can read, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from honeyguide.data.dataset import Schema
from honeyguide.errors import ParameterError
from honeyguide.models.contributions import Part

if TYPE_CHECKING:
    from honeyguide.explain.reasons import Evidence

Language: TypeAlias = Literal["en", "zh"]


class Words(Protocol):
    """A language."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema) -> str:
        """A reason, whose attribute or entity is `value`."""

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """What would have to be missing for the item to leave the list of k."""


def of(language: str) -> Words:
    """The words of a language; ParameterError for one that is not there."""
    known: dict[str, Words] = {"en": English(), "zh": Chinese()}
    if language not in known:
        raise ParameterError(f"language must be one of {', '.join(get_args(Language))}, got {language!r}.")
    return known[language]


class English:
    """English."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema) -> str:
        """Starting with a small letter, without a stop."""
        named = _join([each.title for each in told], ", ", " and ")
        match part.kind:
            case "history" if told:
                return f"because you {self._did(told, schema)}"
            case "taste":
                return f"it suits your taste: you {self._did(told, schema)}" if told else "it suits your taste"
            case "attribute" | "path":
                what = f"{_label(part.name)}: {value}" if value else f"alike in {_label(part.name)}"
                return f"{what}, as in {named}" if named else what
            case "people":
                return (
                    f"people with your taste have it, going by {named}" if named else "people with your taste have it"
                )
            case "popularity":
                when = f" in the last {value} days" if value else ""
                return f"popular: {part.weight:,.0f} people have it{when}"
            case "item":
                return "rated above the average by everyone" if schema.explicit else "well liked by everyone"
            case "person":
                return "you rate higher than most"
            case "average":
                return f"items are rated {part.weight:.1f} on average"
            case "chance":
                return "drawn by chance"
            case _:
                return "it does well with everyone"

    def _did(self, told: Sequence[Evidence], schema: Schema) -> str:
        verb, times = ("rated", "") if schema.explicit else ("had", " times")
        shown = [each.value is not None and (schema.explicit or each.value != 1) for each in told]
        named = [
            f"{each.title} {each.value:g}{times}" if show else each.title
            for each, show in zip(told, shown, strict=True)
        ]
        return f"{verb} {_join(named, ', ', ' and ')}"

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """A sentence of the same form."""
        named = _join([each.title for each in missing], ", ", " and ")
        return f"without {named} it would not be among your {k}"


class Chinese:
    """Chinese (simplified)."""

    def reason(self, part: Part, value: str, told: Sequence[Evidence], schema: Schema) -> str:
        """Without a stop."""
        named = _join([f"《{each.title}》" for each in told], "、", "和")
        match part.kind:
            case "history" if told:
                return f"因为你{self._did(told, schema)}"
            case "taste":
                return f"符合你的口味：你{self._did(told, schema)}" if told else "符合你的口味"
            case "attribute" | "path":
                what = f"{_label(part.name)}：{value}" if value else f"{_label(part.name)}相近"
                return f"{what}，与{named}一样" if named else what
            case "people":
                return f"与你口味相近的人也喜欢，参考{named}" if named else "与你口味相近的人也喜欢"
            case "popularity":
                return f"很受欢迎：{f'最近 {value} 天' if value else ''}有 {part.weight:,.0f} 人选择"
            case "item":
                return "大家的评分高于平均" if schema.explicit else "大家都喜欢"
            case "person":
                return "你的评分通常偏高"
            case "average":
                return f"平均评分为 {part.weight:.1f}"
            case "chance":
                return "随机抽取"
            case _:
                return "在大家当中表现很好"

    def _did(self, told: Sequence[Evidence], schema: Schema) -> str:
        if schema.explicit:
            return _join([f"给《{each.title}》打了 {each.value:g} 分" for each in told], "，", "，")
        times = [f" {each.value:g} 次" if each.value not in (None, 1.0) else "" for each in told]
        return "选过" + _join([f"《{each.title}》{more}" for each, more in zip(told, times, strict=True)], "、", "和")

    def without(self, missing: Sequence[Evidence], k: int) -> str:
        """A sentence of the same form."""
        named = _join([f"《{each.title}》" for each in missing], "、", "和")
        return f"如果没有{named}，它就不会进入你的前 {k} 名"


def _label(name: str) -> str:
    """A column or relation as words."""
    return name.replace("_", " ").strip()


def _join(parts: Sequence[str], comma: str, last: str) -> str:
    return last.join([comma.join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
